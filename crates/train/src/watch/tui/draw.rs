//! The picture: a pure function of the state, at any size of the terminal.

use std::collections::BTreeMap;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    symbols::Marker,
    text::{Line, Span},
    widgets::{Axis, Block, Borders, Cell, Chart, Dataset, Gauge, GraphType, Paragraph, Row, Sparkline, Table, Wrap},
};

use super::state::{Curve, Progress, Scores, State, TextSample, is_learning_rate};
use crate::watch::{clock, thousands, value_text};

const TRAIN: Style = Style::new().fg(Color::Cyan);
const VALIDATION: Style = Style::new().fg(Color::Yellow);
const BEST: Style = Style::new().fg(Color::Green);
const STRONG: Style = Style::new().add_modifier(Modifier::BOLD);
const FAINT: Style = Style::new().add_modifier(Modifier::DIM);

/// What is drawn beside the large chart needs this many columns in all.
const WIDE: u16 = 70;

/// Draws everything that there is room for.
pub(super) fn draw(frame: &mut Frame, state: &State) {
    let area = frame.area();
    let header = if area.height >= 20 { state.header.len().clamp(1, 3) } else { 1 };
    let facts = facts(&state.progress, &state.curves, area.width);
    let messages = if area.height >= 30 { 3 } else { 1 };
    let [header_area, gauge_area, facts_area, middle, small_charts, messages_area, footer] = Layout::vertical([
        Constraint::Length(header as u16),
        Constraint::Length(1),
        Constraint::Length(facts.len() as u16),
        Constraint::Fill(1),
        Constraint::Length(if area.height >= 18 { 4 } else { 0 }),
        Constraint::Length(messages),
        Constraint::Length(1),
    ])
    .areas(area);

    frame.render_widget(header_lines(state), header_area);
    frame.render_widget(gauge(&state.progress), gauge_area);
    frame.render_widget(Paragraph::new(facts), facts_area);
    draw_middle(frame, state, middle);
    draw_small_charts(frame, state, small_charts);
    frame.render_widget(newest_messages(state, messages_area.height), messages_area);
    frame.render_widget(keys(state.stopping), footer);
}

fn header_lines(state: &State) -> Paragraph<'_> {
    let lines = state.header.iter().enumerate();
    Paragraph::new(
        lines
            .map(|(at, line)| Line::styled(line.as_str(), if at == 0 { STRONG } else { Style::new() }))
            .collect::<Vec<_>>(),
    )
}

/// The whole run; one epoch where the run has no last step.
fn gauge(progress: &Progress) -> Gauge<'static> {
    let step = progress.step;
    let (done, total, label) = match progress.total_steps {
        _ if !progress.started => (0, 1, "getting ready".into()),
        Some(total) => {
            let percent = step as f64 / total.max(1) as f64 * 100.0;
            (step, total, format!("{percent:.1}%  step {} of {}", thousands(step), thousands(total)))
        }
        None => (step % progress.steps_per_epoch.max(1), progress.steps_per_epoch, format!("step {}", thousands(step))),
    };
    // A gauge refuses any ratio outside of 0 to 1.
    let ratio = (done as f64 / total.max(1) as f64).clamp(0.0, 1.0);
    Gauge::default().ratio(ratio).label(label).gauge_style(TRAIN).use_unicode(true)
}

/// Epoch, times and throughput, in as many lines as they need.
fn facts(progress: &Progress, curves: &BTreeMap<String, Curve>, width: u16) -> Vec<Line<'static>> {
    let mut facts = Vec::new();
    if progress.started {
        let per_epoch = progress.steps_per_epoch.max(1) as f64;
        let epoch = progress.step as f64 / per_epoch;
        let of = progress.total_steps.map(|total| format!(" of {:.2}", total as f64 / per_epoch)).unwrap_or_default();
        facts.push(format!("epoch {epoch:.2}{}", of.replace(".00", "")));
        facts.push(format!("{} elapsed", clock(progress.elapsed)));
    }
    if let Some(speed) = progress.steps_per_second {
        if let Some(total) = progress.total_steps {
            facts.push(format!("{} left", clock(total.saturating_sub(progress.step) as f64 / speed)));
        }
        facts.push(format!("{} steps/s", rate_text(speed)));
    }
    for (name, curve) in curves {
        if let Some(item) = item_of(name)
            && let Some(rate) = curve.train.latest()
        {
            facts.push(format!("{} {item}/s", rate_text(rate)));
        }
    }
    let mut lines = vec![String::new()];
    for fact in facts {
        let last = lines.last().map_or(0, String::len);
        if last > 0 && last + 3 + fact.len() > usize::from(width) {
            lines.push(fact);
        } else if let Some(line) = lines.last_mut() {
            line.push_str(if last > 0 { "   " } else { "" });
            line.push_str(&fact);
        }
    }
    lines.truncate(2);
    lines.into_iter().map(Line::from).collect()
}

/// `tokens` of `tokens_per_second`; steps have a speed of their own.
fn item_of(name: &str) -> Option<&str> {
    name.strip_suffix("_per_second").filter(|item| *item != "steps")
}

fn rate_text(rate: f64) -> String {
    if rate >= 100.0 { thousands(rate.round() as u64) } else { format!("{rate:.2}") }
}

fn draw_middle(frame: &mut Frame, state: &State, area: Rect) {
    let (chart, side) = if area.width >= WIDE {
        let [chart, side] = Layout::horizontal([Constraint::Percentage(60), Constraint::Fill(1)]).areas(area);
        (chart, side)
    } else if area.height >= 20 {
        let [chart, side] = Layout::vertical([Constraint::Fill(1), Constraint::Fill(1)]).areas(area);
        (chart, side)
    } else {
        (area, Rect::ZERO)
    };
    draw_chart(frame, state, chart);
    match (&state.scores, &state.sample) {
        (scores, None) => draw_scores(frame, scores.as_ref(), side),
        (scores, Some(sample)) => {
            // Borders, the line of steps and the scores themselves; a sample always keeps half.
            let wanted = scores.as_ref().map_or(0, |scores| scores.values.len() as u16).saturating_add(3);
            let height = wanted.min(side.height / 2);
            let [upper, lower] = Layout::vertical([Constraint::Length(height), Constraint::Fill(1)]).areas(side);
            draw_scores(frame, scores.as_ref(), upper);
            draw_sample(frame, sample, lower);
        }
    }
}

fn draw_chart(frame: &mut Frame, state: &State, area: Rect) {
    let names = state.charted();
    let Some(name) = names.get(state.selected()).copied() else {
        frame.render_widget(Paragraph::new("nothing measured yet").style(FAINT).block(titled(" loss ")), area);
        return;
    };
    let mut title = vec![Span::styled(format!(" {name} "), STRONG)];
    let Some(curve) = state.curves.get(name) else { return };
    for (split, series, style) in [("train", &curve.train, TRAIN), ("validation", &curve.validation, VALIDATION)] {
        if let Some(value) = series.latest() {
            title.push(Span::styled(format!(" {split} {} ", value_text(value)), style));
        }
    }
    // A short chart has no room to spare for borders and steps.
    let short = area.height < 8;
    let mut block = if short { Block::new().borders(Borders::TOP).title(Line::from(title)) } else { titled(title) };
    if names.len() > 1 && !short {
        let place = format!(" {} of {} ", state.selected() + 1, names.len());
        block = block.title_bottom(Line::styled(place, FAINT).right_aligned());
    }
    // Two dots a column.
    let most = usize::from(area.width) * 2;
    let (train, validation) = (curve.train.points(most), curve.validation.points(most));
    if block.inner(area).height < 2 || (train.is_empty() && validation.is_empty()) {
        frame.render_widget(block, area);
        return;
    }
    let x_bounds = x_bounds(curve);
    let y_bounds = y_bounds(&train, &validation);
    let step_text = |step: f64| thousands(step.max(0.0).round() as u64);
    let value_text = |value: f64| axis_text(value, y_bounds[1] - y_bounds[0]);
    let value_labels = match area.height {
        0..8 => 2,
        8..14 => 3,
        _ => 5,
    };
    let dataset = |points, style| {
        Dataset::default().data(points).style(style).marker(Marker::Braille).graph_type(GraphType::Line)
    };
    let x_labels = if short { Vec::new() } else { labels(x_bounds, 3, step_text) };
    let chart = Chart::new(vec![dataset(&train, TRAIN), dataset(&validation, VALIDATION)])
        .block(block)
        .legend_position(None)
        .x_axis(Axis::default().style(FAINT).bounds(x_bounds).labels(x_labels))
        .y_axis(Axis::default().style(FAINT).bounds(y_bounds).labels(labels(y_bounds, value_labels, value_text)));
    frame.render_widget(chart, area);
}

fn titled<'a>(title: impl Into<Line<'a>>) -> Block<'a> {
    Block::bordered().border_style(FAINT).title(title)
}

/// From the first step of either curve to the last.
fn x_bounds(curve: &Curve) -> [f64; 2] {
    let spans = || [curve.train.span(), curve.validation.span()].into_iter().flatten();
    let first = spans().map(|(first, _)| first).min().unwrap_or(0);
    let last = spans().map(|(_, last)| last).max().unwrap_or(0);
    [first as f64, last.max(first + 1) as f64]
}

/// From the least value to the largest, but for the few that would press all others flat: the losses of the first steps.
fn y_bounds(train: &[(f64, f64)], validation: &[(f64, f64)]) -> [f64; 2] {
    let mut values: Vec<_> = train.iter().chain(validation).map(|point| point.1).collect();
    values.sort_by(f64::total_cmp);
    let (Some(&low), Some(&largest)) = (values.first(), values.last()) else { return [0.0, 1.0] };
    let usual = if values.len() >= 50 { values[values.len() * 98 / 100] } else { largest };
    // A loss that climbs at the end is what one must see.
    let high = [train.last(), validation.last()].into_iter().flatten().fold(usual, |high, point| high.max(point.1));
    if high > low {
        [low, high]
    } else {
        let margin = (low.abs() * 0.1).max(1e-6);
        [low - margin, low + margin]
    }
}

fn labels(bounds: [f64; 2], count: usize, text: impl Fn(f64) -> String) -> Vec<String> {
    let between = count.saturating_sub(1).max(1) as f64;
    (0..count).map(|at| text(bounds[0] + (bounds[1] - bounds[0]) * at as f64 / between)).collect()
}

/// With as many decimals as tell the labels of an axis of this range apart.
fn axis_text(value: f64, range: f64) -> String {
    if value.abs() >= 1e6 || range < 1e-5 {
        return format!("{value:.2e}");
    }
    let decimals = (1.0 - range.log10().floor()).clamp(0.0, 6.0) as usize;
    format!("{value:.decimals$}")
}

fn draw_scores(frame: &mut Frame, scores: Option<&Scores>, area: Rect) {
    let Some(scores) = scores else {
        frame.render_widget(Paragraph::new("not scored yet").style(FAINT).block(titled(" validation ")), area);
        return;
    };
    let right = |text: String| Cell::from(Line::from(text).right_aligned());
    let rows = scores.values.iter().map(|(name, value)| {
        let best = scores.best.as_ref().and_then(|(_, values)| values.get(name));
        Row::new([
            Cell::from(name.as_str()),
            right(value_text(*value)).style(if scores.is_best { BEST } else { VALIDATION }),
            right(best.map_or_else(|| "–".into(), |value| value_text(*value))).style(BEST),
        ])
    });
    let mark = if scores.is_best { "★ " } else { "" };
    let mut block = titled(format!(" validation at step {} {mark}", thousands(scores.step)));
    if let Some((step, _)) = &scores.best {
        let best = format!(" ★ best: step {} ", thousands(*step));
        block = block.title_bottom(Line::styled(best, BEST).right_aligned());
    }
    let table = Table::new(rows, [Constraint::Fill(1), Constraint::Length(9), Constraint::Length(9)])
        .header(Row::new([Cell::default(), right("last".into()), right("★ best".into())]).style(FAINT))
        .column_spacing(1)
        .block(block);
    frame.render_widget(table, area);
}

fn draw_sample(frame: &mut Frame, sample: &TextSample, area: Rect) {
    let name = if sample.name.is_empty() { String::new() } else { format!(" {}", sample.name) };
    let title = format!(" sample{name} at step {} ", thousands(sample.step));
    let text = Paragraph::new(sample.text.as_str()).wrap(Wrap { trim: false });
    frame.render_widget(text.block(titled(title)), area);
}

/// Learning rate, gradient norm and throughput, side by side.
fn draw_small_charts(frame: &mut Frame, state: &State, area: Rect) {
    let named = |wanted: &dyn Fn(&str) -> bool| state.curves.iter().find(|(name, _)| wanted(name));
    let throughput = named(&|name| item_of(name).is_some()).or_else(|| named(&|name| name == "steps_per_second"));
    let item = throughput.and_then(|(name, _)| name.strip_suffix("_per_second")).unwrap_or("steps");
    let (rate, norm) = if area.width < 80 { ("lr", "grad") } else { ("learning rate", "gradient norm") };
    let charts = [
        (rate.into(), named(&is_learning_rate)),
        (norm.into(), named(&|name| name == "grad_norm")),
        (format!("{item}/s"), throughput),
    ];
    let areas: [Rect; 3] = Layout::horizontal([Constraint::Fill(1); 3]).areas(area);
    for ((title, curve), area) in charts.into_iter().zip(areas) {
        draw_small_chart(frame, &title, curve.map(|(_, curve)| curve), area);
    }
}

fn draw_small_chart(frame: &mut Frame, title: &str, curve: Option<&Curve>, area: Rect) {
    let latest = curve.and_then(|curve| curve.train.latest());
    let latest = match latest {
        Some(value) if title.ends_with("/s") => format!("{} ", rate_text(value)),
        Some(value) => format!("{} ", value_text(value)),
        None => String::new(),
    };
    let block = titled(format!(" {title} {latest}"));
    let points = curve.map(|curve| curve.train.points(usize::from(block.inner(area).width))).unwrap_or_default();
    let high = if points.is_empty() { 0.0 } else { y_bounds(&points, &[])[1] };
    // A sparkline takes whole numbers.
    let bars = points.iter().map(|(_, value)| if high > 0.0 { (value / high * 1000.0).max(0.0) as u64 } else { 0 });
    frame.render_widget(Sparkline::default().data(bars).max(1000).style(TRAIN).block(block), area);
}

fn newest_messages(state: &State, height: u16) -> Paragraph<'_> {
    let skipped = state.messages.len().saturating_sub(usize::from(height));
    Paragraph::new(state.messages.iter().skip(skipped).map(|line| Line::from(line.as_str())).collect::<Vec<_>>())
}

fn keys(stopping: bool) -> Line<'static> {
    if stopping {
        let text = "stopping after this step and saving; once more: quit at once, unsaved";
        return Line::styled(text, Style::new().fg(Color::Black).bg(Color::Yellow));
    }
    let keys = [("q/Ctrl-C", "stop and save"), ("Tab", "next curve"), ("Ctrl-L", "redraw")];
    let spans = keys.into_iter().flat_map(|(key, meaning)| {
        [Span::styled(key, STRONG), Span::raw(" "), Span::styled(meaning, FAINT), Span::raw("  ")]
    });
    Line::from(spans.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use ratatui::{Terminal, backend::TestBackend};
    use training_loop::{event::Event, task::Sample};

    use super::*;
    use crate::watch::tui::state::tests::row;

    fn text(state: &State, width: u16, height: u16) -> String {
        let Ok(mut terminal) = Terminal::new(TestBackend::new(width, height));
        let Ok(_) = terminal.draw(|frame| draw(frame, state));
        terminal.backend().to_string()
    }

    fn started(total_steps: Option<u64>) -> State {
        let mut state = State::new(vec!["tiny-gpt: language-model".into(), "wgpu on a card".into()]);
        state.apply(&Event::Start { step: 0, total_steps, steps_per_epoch: 100, trainable: 1_234, parameters: 1_234 });
        state
    }

    fn train(state: &mut State, step: u64, loss: f64) {
        let metrics = [("loss", loss), ("lr", 3e-4), ("grad_norm", loss / 2.0), ("tokens_per_second", 12_345.0)];
        state.apply(&Event::Train(&row("train", step, &metrics)));
        state.progress.step = step;
    }

    fn histories() -> Vec<(&'static str, State)> {
        let mut one_point = started(Some(500));
        train(&mut one_point, 1, 4.5);
        let mut not_finite = started(None);
        for (step, loss) in
            [(1, f64::NAN), (2, 3.0), (3, f64::INFINITY), (4, f64::NEG_INFINITY), (5, f64::MAX), (6, 1e-300)]
        {
            train(&mut not_finite, step, loss);
            let metrics = [("loss", f64::NAN), ("accuracy", loss)];
            not_finite.apply(&Event::Validation { row: &row("validation", step, &metrics), is_best: step == 2 });
        }
        let mut only_nan = started(Some(0));
        train(&mut only_nan, 7, f64::NAN);
        let mut long = started(Some(200_000));
        for step in 1..=100_000 {
            train(&mut long, step, 10.0 / (step as f64).sqrt());
            if step % 500 == 0 {
                let metrics = row("validation", step, &[("loss", 11.0 / (step as f64).sqrt()), ("perplexity", 3.0)]);
                long.apply(&Event::Validation { row: &metrics, is_best: step % 1000 == 0 });
            }
        }
        long.progress.elapsed = 3_725.0;
        long.progress.steps_per_second = Some(20.0);
        let sample = Sample::text("Once upon a time 漢字 there was a model\nand it spoke. ".repeat(400));
        long.apply(&Event::Sample { step: 100_000, sample: &sample, path: Path::new("s.txt") });
        long.apply(&Event::Checkpoint { path: Path::new("runs/a/checkpoints/step-100000") });
        vec![
            ("nothing", State::new(Vec::new())),
            ("empty", started(Some(500))),
            ("one point", one_point),
            ("not finite", not_finite),
            ("only NaN", only_nan),
            ("long", long),
        ]
    }

    #[test]
    fn any_history_fits_any_terminal() {
        for (name, mut state) in histories() {
            for (width, height) in [(80, 24), (40, 10), (200, 60), (100, 30), (60, 50), (300, 3)] {
                let shown = text(&state, width, height);
                assert!(height < 10 || shown.contains("stop and save"), "{name} at {width}x{height}:\n{shown}");
            }
            for width in 0..24 {
                for height in 0..24 {
                    let Ok(mut terminal) = Terminal::new(TestBackend::new(width, height));
                    let Ok(_) = terminal.draw(|frame| draw(frame, &state));
                }
            }
            for _ in 0..3 {
                state.select_next();
                text(&state, 80, 24);
            }
        }
    }

    #[test]
    fn everything_is_said_at_80_by_24() {
        let mut histories = histories();
        let Some((_, state)) = histories.last_mut() else { return };
        let shown = text(state, 80, 24);
        for expected in [
            "tiny-gpt: language-model",
            "wgpu on a card",
            "50.0%  step 100,000 of 200,000",
            "epoch 1000.00 of 2000",
            "1:02:05 elapsed",
            "1:23:20 left",
            "20.00 steps/s",
            "12,345 tokens/s",
            "train 0.0316",
            "validation 0.0348",
            "1 of 2",
            "100,000│",
            "perplexity",
            "validation at step 100,000 ★",
            "★ best: step 100,000",
            "sample at step 100,000",
            "Once upon a time",
            "learning rate 3.00e-4",
            "gradient norm 0.0158",
            "checkpoint step-100000 written",
            "q/Ctrl-C stop and save",
            "Tab next curve",
        ] {
            assert!(shown.contains(expected), "{expected:?} is missing in\n{shown}");
        }
        state.stopping = true;
        assert!(text(state, 80, 24).contains("stopping after this step"));
    }

    #[test]
    fn small_terminals_keep_what_matters() {
        let histories = histories();
        let Some((_, state)) = histories.last() else { return };
        let shown = text(state, 40, 10);
        for expected in ["tiny-gpt", "50.0%", "1:23:20 left", "train 0.0316", "step-100000", "stop and save"] {
            assert!(shown.contains(expected), "{expected:?} is missing in\n{shown}");
        }
    }

    #[test]
    fn the_first_losses_do_not_press_the_rest_flat() {
        let points: Vec<_> = (0..200).map(|step| (f64::from(step), if step < 3 { 1e6 } else { 2.0 })).collect();
        assert_eq!(y_bounds(&points, &[])[1], 2.2);
        let mut climbs = points;
        climbs.push((200.0, 50.0));
        assert_eq!(y_bounds(&climbs, &[]), [2.0, 50.0]);
    }
}
