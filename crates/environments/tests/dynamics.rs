//! The worlds against Gymnasium's and against what is published: see `fixtures/make_environments.py`.

use environments::{CartPole, Environment, GridWorld, GridWorldConfig, Step, optimal_values};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    cart_pole: Vec<CartPoleEpisode>,
    frozen_lake_4x4: FrozenLake,
    frozen_lake_8x8: FrozenLake,
}

#[derive(Deserialize)]
struct CartPoleEpisode {
    start: [f64; 4],
    actions: Vec<usize>,
    states: Vec<[f64; 4]>,
    terminated: bool,
}

#[derive(Deserialize)]
struct FrozenLake {
    max_steps: usize,
    values: Vec<f64>,
    best_chance: f64,
    #[serde(default)]
    outcomes: Vec<Outcomes>,
}

#[derive(Deserialize)]
struct Outcomes {
    cell: usize,
    action: usize,
    next: Vec<(usize, f64)>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("fixtures/environments.json")).unwrap()
}

fn assert_near(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < tolerance, "{found} for {expected}");
    }
}

/// Probability of each cell after an action, by cell.
fn chances(world: &GridWorld, cell: usize, action: usize) -> Vec<f64> {
    let mut chances = vec![0.0; world.num_cells()];
    world.outcomes(cell, action).into_iter().for_each(|(probability, next)| chances[next] += probability);
    chances
}

#[test]
fn the_cart_and_its_pole_move_as_in_gymnasium() {
    let episodes = fixture().cart_pole;
    assert_eq!(episodes.iter().filter(|episode| episode.terminated).count(), 5);
    for episode in episodes {
        let mut world = CartPole::new();
        world.reset_to(episode.start);
        for (number, (action, state)) in (1..).zip(episode.actions.iter().zip(&episode.states)) {
            let step = world.step(*action);
            assert_near(&world.state(), state, 1e-9);
            assert_eq!(step.observation, state.map(|value| value as f32).to_vec());
            let last = number == episode.states.len();
            assert_eq!((step.reward, step.terminated, step.truncated), (1.0, last && episode.terminated, false));
        }
    }
}

#[test]
fn a_cart_begins_near_the_middle_and_its_episode_ends_after_500_steps() {
    let mut world = CartPole::new();
    let mut corners = [[0.0_f32; 2]; 4];
    for seed in 0..500 {
        for (corner, value) in corners.iter_mut().zip(world.reset(seed)) {
            *corner = [corner[0].min(value), corner[1].max(value)];
        }
    }
    assert!(corners.iter().all(|[least, most]| (-0.05..-0.049).contains(least) && (0.049..0.05).contains(most)));

    let mut observation = world.reset(1);
    let mut steps = Vec::new();
    while !steps.last().is_some_and(Step::done) {
        let step = world.step(usize::from(observation[2] + observation[3] > 0.0));
        observation = step.observation.clone();
        steps.push(step);
    }
    assert_eq!(steps.len(), world.max_steps());
    assert_eq!(steps.iter().filter(|step| step.truncated).count(), 1);
    assert!(steps.iter().all(|step| step.reward == 1.0 && !step.terminated));
}

#[test]
fn the_ice_is_as_slippery_as_gymnasiums() {
    let world = GridWorld::new(&GridWorldConfig::frozen_lake_4x4()).unwrap();
    let outcomes = fixture().frozen_lake_4x4.outcomes;
    // Eleven cells that do not end the episode, four actions.
    assert_eq!(outcomes.len(), 44);
    for Outcomes { cell, action, next } in outcomes {
        let mut expected = vec![0.0; world.num_cells()];
        next.into_iter().for_each(|(cell, probability)| expected[cell] = probability);
        assert_near(&chances(&world, cell, action), &expected, 1e-12);
    }
}

#[test]
fn the_best_values_of_frozen_lakes_are_known() {
    let Fixture { frozen_lake_4x4, frozen_lake_8x8, .. } = fixture();
    for (config, lake) in
        [(GridWorldConfig::frozen_lake_4x4(), frozen_lake_4x4), (GridWorldConfig::frozen_lake_8x8(), frozen_lake_8x8)]
    {
        let world = GridWorld::new(&config).unwrap();
        assert_eq!((world.max_steps(), world.starts()), (lake.max_steps, [0].as_slice()));
        assert_near(&optimal_values(&world, 0.99), &lake.values, 1e-9);
        assert!(lake.best_chance < optimal_values(&world, 1.0)[0]);
    }
    // With all the time in the world the goal is reached in 14 of 17 episodes on the small lake, and always on the large one.
    let start = |config| optimal_values(&GridWorld::new(&config).unwrap(), 1.0)[0];
    assert_near(&[start(GridWorldConfig::frozen_lake_4x4())], &[14.0 / 17.0], 1e-6);
    assert_near(&[start(GridWorldConfig::frozen_lake_8x8())], &[1.0], 1e-6);
}

#[test]
fn the_utilities_of_russell_and_norvigs_world_are_those_of_the_book() {
    let world = GridWorld::new(&GridWorldConfig::russell_norvig()).unwrap();
    let values = optimal_values(&world, 1.0);
    // Figure 17.3 of the third edition, which prints the reward of the terminal states as their utility.
    let expected = [
        [0.812, 0.868, 0.918, 0.0], //
        [0.762, 0.0, 0.660, 0.0],
        [0.705, 0.655, 0.611, 0.388],
    ];
    assert_near(&values, expected.as_flattened(), 0.0005);
    assert_eq!(world.reward(3), 1.0 - 0.04);
    assert_eq!(world.reward(7), -1.0 - 0.04);
    // Up from the start: as meant in 8 of 10 cases, to the left against the edge in one, to the right in one.
    assert_near(
        &[chances(&world, 8, 3)[4], chances(&world, 8, 3)[8], chances(&world, 8, 3)[9]],
        &[0.8, 0.1, 0.1],
        1e-12,
    );
    // To the right of (2, 1) lies the wall.
    assert_near(&[chances(&world, 4, 2)[4]], &[0.8], 1e-12);
}

#[test]
fn steps_slip_as_often_as_they_should() {
    const STEPS: usize = 30_000;
    let map = ["FFF", "FSF", "FFG"].map(str::to_owned).to_vec();
    let config = GridWorldConfig { map, slip_probability: 0.4, ..GridWorldConfig::default() };
    let mut world = GridWorld::new(&config).unwrap();
    for action in 0..4 {
        let mut counts = vec![0.0; world.num_cells()];
        for seed in 0..STEPS {
            world.reset((action * STEPS + seed) as u64);
            world.step(action);
            counts[world.cell()] += 1.0;
        }
        let expected = chances(&world, 4, action);
        let deviation = |(count, chance): (&f64, &f64)| {
            let expected = chance * STEPS as f64;
            if expected == 0.0 { *count } else { (count - expected).powi(2) / expected }
        };
        let chi_square: f64 = counts.iter().zip(&expected).map(deviation).sum();
        // Of two degrees of freedom, 13.8 is passed once in a thousand cases.
        assert!(chi_square < 13.8, "{chi_square} for action {action}: {counts:?}, {expected:?}");
    }
}

#[test]
fn an_episode_begins_in_any_of_several_starts() {
    let map = ["SFS", "FGS"].map(str::to_owned).to_vec();
    let mut world = GridWorld::new(&GridWorldConfig { map, ..GridWorldConfig::default() }).unwrap();
    let mut counts = vec![0; world.num_cells()];
    for seed in 0..3000 {
        let observation = world.reset(seed);
        counts[world.cell()] += 1;
        assert_eq!((observation[world.cell()], observation.iter().sum::<f32>()), (1.0, 1.0));
    }
    assert!([0, 2, 5].iter().all(|cell| (900..1100).contains(&counts[*cell])), "{counts:?}");
}
