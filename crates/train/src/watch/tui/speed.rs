//! Steps a second over the last minute: pauses for validation count, the slow first steps drop out.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

const WINDOW: Duration = Duration::from_secs(60);
const BETWEEN_MARKS: Duration = Duration::from_secs(1);

/// When the run was where, at some moments of the last minute.
#[derive(Debug, Default)]
pub(super) struct Speed {
    marks: VecDeque<(Instant, u64)>,
}

impl Speed {
    /// Notes that `step` steps are done, and returns the steps a second once there is something to tell.
    pub(super) fn observe(&mut self, now: Instant, step: u64) -> Option<f64> {
        let since = |time: Instant| now.saturating_duration_since(time);
        // Only where a step has come: a step may take minutes, and half a step counts for nothing.
        if self.marks.back().is_none_or(|&(time, marked)| step > marked && since(time) >= BETWEEN_MARKS) {
            self.marks.push_back((now, step));
            while self.marks.len() > 2 && self.marks.get(1).is_some_and(|&(time, _)| since(time) >= WINDOW) {
                self.marks.pop_front();
            }
        }
        let (&(first, from), &(last, to)) = (self.marks.front()?, self.marks.back()?);
        let seconds = last.saturating_duration_since(first).as_secs_f64();
        (seconds > 0.0).then(|| to.saturating_sub(from) as f64 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speed_follows_the_last_minute() {
        let start = Instant::now();
        let mut speed = Speed::default();
        assert_eq!(speed.observe(start, 100), None);
        assert_eq!(speed.observe(start + Duration::from_millis(500), 110), None);
        // Ten seconds for the first ten steps, then ten steps a second.
        assert_eq!(speed.observe(start + Duration::from_secs(10), 110), Some(1.0));
        let mut last = None;
        for second in 11..=200 {
            last = speed.observe(start + Duration::from_secs(second), 110 + (second - 10) * 10);
        }
        assert_eq!(last, Some(10.0));
        assert!(speed.marks.len() <= 62);
    }

    #[test]
    fn steps_of_minutes_have_a_speed() {
        let start = Instant::now();
        let mut speed = Speed::default();
        let mut last = None;
        for second in 0..=600 {
            last = speed.observe(start + Duration::from_secs(second), second / 200);
        }
        assert_eq!(last, Some(1.0 / 200.0));
    }
}
