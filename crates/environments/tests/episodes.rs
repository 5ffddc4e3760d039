//! Episodes: rolled out one at a time and together, and collected.

use environments::{
    CollectConfig, Environment, EnvironmentConfig, Expert, History, PolicyConfig, Trajectories, Trajectory, collect,
    rollout, rollout_together,
};
use std::convert::Infallible;

fn all() -> Vec<EnvironmentConfig> {
    let names = ["cart-pole", "frozen-lake-4x4", "frozen-lake-8x8", "russell-norvig"];
    let named = names.iter().filter_map(|name| EnvironmentConfig::named(name));
    named.chain([EnvironmentConfig::GridWorld(Default::default())]).collect()
}

fn collected(environment: &EnvironmentConfig, policies: Vec<PolicyConfig>, episodes: usize) -> Trajectories {
    collect(environment, &CollectConfig { episodes, policies, seed: 0 }).unwrap()
}

fn scripted(epsilon: f64) -> Vec<PolicyConfig> {
    vec![PolicyConfig::Scripted { epsilon }]
}

fn mean_return(trajectories: &Trajectories) -> f64 {
    let sum: f64 = trajectories.episodes.iter().map(Trajectory::total_return).sum();
    sum / trajectories.episodes.len() as f64
}

/// A policy that depends on everything that it may see.
fn hash_of(history: &History, num_actions: usize) -> usize {
    let seen: f32 = history.observations().iter().sum();
    let done: u32 = history.actions().iter().sum();
    (seen.to_bits() as usize / 64 + done as usize + history.num_steps()) % num_actions
}

#[test]
fn collected_episodes_are_whole_and_consistent() {
    for environment in all() {
        let trajectories = collect(&environment, &CollectConfig { episodes: 60, ..CollectConfig::default() }).unwrap();
        let world = environment.build().unwrap();
        assert_eq!(trajectories.environment, environment.name());
        assert_eq!(trajectories.episodes.len(), 60);
        assert_eq!(trajectories.observation_size, world.observation_size());
        for episode in &trajectories.episodes {
            let steps = episode.num_steps();
            assert!((1..=world.max_steps()).contains(&steps));
            assert_eq!(episode.observations.len(), steps * world.observation_size());
            assert_eq!(episode.rewards.len(), steps);
            assert!(episode.actions.iter().all(|action| (*action as usize) < world.num_actions()));
            assert!(episode.terminated || steps == world.max_steps());
        }
    }
}

#[test]
fn collected_episodes_follow_from_the_seed_whatever_the_number_of_threads() {
    for environment in all() {
        let config = CollectConfig { episodes: 30, ..CollectConfig::default() };
        let with_threads = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| collect(&environment, &config).unwrap())
        };
        let once = with_threads(1);
        assert_eq!(once, with_threads(3));
        assert_ne!(once, collect(&environment, &CollectConfig { seed: 1, ..config.clone() }).unwrap());
        // More episodes change none of the first ones.
        let more = collect(&environment, &CollectConfig { episodes: 40, ..config.clone() }).unwrap();
        assert_eq!(once.episodes, more.episodes[..30]);
    }
}

#[test]
fn episodes_that_are_rolled_out_together_are_those_rolled_out_alone() {
    for environment in all() {
        let seeds: Vec<u64> = (10..18).collect();
        let num_actions = environment.build().unwrap().num_actions();
        let alone: Vec<Trajectory> = seeds
            .iter()
            .map(|seed| rollout(environment.build().unwrap().as_mut(), *seed, |history| hash_of(history, num_actions)))
            .collect();
        let mut worlds: Vec<Box<dyn Environment>> = seeds.iter().map(|_| environment.build().unwrap()).collect();
        let mut asked = 0;
        let together = rollout_together(&mut worlds, &seeds, |live| {
            assert!(live.iter().all(|episode| episode.history.num_steps() == asked));
            assert!(live.is_sorted_by_key(|episode| episode.index));
            asked += 1;
            Ok::<_, Infallible>(live.iter().map(|episode| hash_of(episode.history, num_actions)).collect())
        });
        assert_eq!(together.unwrap(), alone);
        assert_eq!(Some(asked), alone.iter().map(Trajectory::num_steps).max());
    }
}

#[test]
fn a_policy_that_fails_ends_all_episodes() {
    let mut worlds = vec![EnvironmentConfig::default().build().unwrap()];
    let failed = rollout_together(&mut worlds, &[0], |_| Err::<Vec<usize>, _>("no device"));
    assert_eq!(failed, Err("no device"));
}

#[test]
fn what_is_seen_comes_before_what_is_done() {
    let environment = EnvironmentConfig::default();
    let mut seen = Vec::new();
    let trajectory = rollout(environment.build().unwrap().as_mut(), 3, |history| {
        seen.extend_from_slice(history.observation());
        history.num_steps() % 2
    });
    assert_eq!(trajectory.observations, seen);
    let alternating: Vec<u32> = (0..trajectory.num_steps() as u32).map(|step| step % 2).collect();
    assert_eq!(trajectory.actions, alternating);
    assert_eq!(trajectory.observations[..4], environment.build().unwrap().reset(3)[..]);
}

#[test]
fn the_expert_of_frozen_lakes_is_about_as_good_as_anyone_can_be() {
    // The best chances by backward induction are 0.744 and 0.913 (fixtures/make_environments.py).
    for (name, expected) in [("frozen-lake-4x4", 0.70..0.77), ("frozen-lake-8x8", 0.80..0.93)] {
        let success = mean_return(&collected(&EnvironmentConfig::named(name).unwrap(), scripted(0.0), 4000));
        assert!(expected.contains(&success), "{name}: {success}");
    }
}

#[test]
fn the_expert_of_the_cart_balances_the_pole() {
    let environment = EnvironmentConfig::default();
    // The pole never falls; now and then the cart drifts away.
    let expert = mean_return(&collected(&environment, scripted(0.0), 500));
    assert!((470.0..=500.0).contains(&expert), "{expert}");
    let random = mean_return(&collected(&environment, vec![PolicyConfig::Random {}], 500));
    // About 22, as is known of the random policy.
    assert!((19.0..26.0).contains(&random), "{random}");
    assert_eq!(Expert::new(&environment).unwrap().action(&[0.0, 0.0, 0.1, -0.05]), 1);
    assert_eq!(Expert::new(&environment).unwrap().action(&[0.0, 0.0, 0.1, -0.15]), 0);
}

#[test]
fn those_who_err_more_gain_less() {
    for environment in all() {
        let returns = [0.0, 0.5, 1.0].map(|epsilon| mean_return(&collected(&environment, scripted(epsilon), 600)));
        assert!(returns.is_sorted_by(|better, worse| better > worse), "{}: {returns:?}", environment.name());
    }
}

#[test]
fn policies_take_turns() {
    let environment = EnvironmentConfig::default();
    let policies = vec![PolicyConfig::Scripted { epsilon: 0.0 }, PolicyConfig::Random {}];
    let episodes = collected(&environment, policies, 40).episodes;
    for (number, episode) in episodes.iter().enumerate() {
        // At random a pole falls long before.
        assert_eq!(episode.num_steps() > 180, number % 2 == 0, "{number}: {}", episode.num_steps());
    }
}
