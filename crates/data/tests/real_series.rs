//! Series on real files. Where there are none, these tests say so and pass.

use data::series::{Part, SeriesConfig, SeriesData, Split, dates_after, read_last_rows};
use std::path::{Path, PathBuf};

/// A file or folder of the real data: in `KILN_DATA`, or beside the repository, as tests run in their crate's folder.
fn real(path: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let folder = std::env::var_os(data::DATA_VARIABLE).map_or(beside, PathBuf::from);
    let found = folder.join(path);
    if !found.exists() {
        eprintln!("passed over: {} is not there", found.display());
        return None;
    }
    Some(found)
}

/// ETTh1 as LTSF-Linear splits it: 12, 4 and 4 months of 30 days.
fn etth1(path: &Path) -> SeriesConfig {
    let months = |count: usize| Part::Rows(count * 30 * 24);
    SeriesConfig {
        source: path.to_str().unwrap().to_owned(),
        split: Split { train: months(12), validation: months(4), test: months(4) },
        input_len: 96,
        horizon: 96,
        ..SeriesConfig::default()
    }
}

#[track_caller]
fn assert_close(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance * expected.abs().max(1.0), "{found} for {expected}");
    }
}

#[test]
fn etth1_has_the_published_windows() {
    let Some(path) = real("timeseries/ETTh1.csv.gz") else { return };
    let data = SeriesData::load(&etth1(&path)).unwrap();
    assert_eq!((data.num_rows(), data.scaler().targets().len()), (17_420, 7));
    assert_eq!((data.train_rows(), data.validation_rows(), data.test_rows()), (0..8640, 8640..11_520, 11_520..14_400));
    assert_eq!(data.train_batches(0).num_windows(), 8640 - 96 - 96 + 1);
    assert_eq!(data.validation_batches().unwrap().num_windows(), 2880 - 96 + 1);
    assert_eq!(data.test_batches().unwrap().num_windows(), 2880 - 96 + 1);

    let first = data.validation_batches().unwrap().batch(0, 0);
    assert_eq!(first.starts[0], 8640);
    assert_eq!(data.dates().unwrap()[8640], "2017-06-26 00:00:00");
    let tests = data.test_batches().unwrap();
    let last = tests.batch(0, tests.num_batches() - 1);
    assert_eq!(last.starts.last().map(|start| start + last.horizon), Some(14_400));
}

#[test]
fn etth1_is_scaled_as_numpy_would() {
    let Some(path) = real("timeseries/ETTh1.csv.gz") else { return };
    let data = SeriesData::load(&etth1(&path)).unwrap();
    // numpy: t = a[:8640]; t.mean(0); t.std(0)
    let means = [
        7.937742245659508,
        2.0210386567335163,
        5.079770601157927,
        0.7461858799957015,
        2.781762386375555,
        0.7884531235540096,
        17.1282616982271,
    ];
    let deviations = [
        5.81274940914376,
        2.0901046504075986,
        5.51879357903625,
        1.9263792741329897,
        1.0235226594952223,
        0.6302366362251974,
        9.176491024944383,
    ];
    let scaler: serde_json::Value = serde_json::from_str(&data.scaler().to_json()).unwrap();
    let numbers = |key: &str| scaler[key].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<_>>();
    assert_close(&numbers("shift"), &means, 1e-12);
    assert_close(&numbers("scale"), &deviations, 1e-12);
    // ((a - t.mean(0)) / t.std(0))[8640]
    let row = [
        0.5011841009197997,
        -0.10192728300146249,
        0.5347599061109568,
        0.7193879772769239,
        -0.09942361185099731,
        -2.1697455227764504,
        0.4178871461020377,
    ];
    let batch = data.validation_batches().unwrap().batch(0, 0);
    let found: Vec<f64> = batch.targets[..7].iter().map(|value| f64::from(*value)).collect();
    assert_close(&found, &row, 1e-6);
}

#[test]
fn etth1_daily_differences_match_numpy() {
    let Some(path) = real("timeseries/ETTh1.csv.gz") else { return };
    let data = SeriesData::load(&etth1(&path)).unwrap();
    // np.abs(t[24:] - t[:-24]).mean(0)
    let expected = [
        2.3545472419776625,
        0.8369874644889639,
        2.0558825495696955,
        0.7103888118914575,
        0.7348337993371675,
        0.2534346562108075,
        2.55334063804775,
    ];
    assert_close(&data.mase_scale(24), &expected, 1e-12);
}

#[test]
fn air_passengers_fit_a_small_model() {
    let Some(path) = real("timeseries/AirPassengers.csv") else { return };
    let config = SeriesConfig {
        source: path.to_str().unwrap().to_owned(),
        input_len: 24,
        horizon: 12,
        ..SeriesConfig::default()
    };
    let data = SeriesData::load(&config).unwrap();
    assert_eq!((data.num_rows(), data.scaler().targets()), (144, &["traffic".to_owned()][..]));
    assert_eq!(data.dates().unwrap()[143], "Dec 1960");
    let last = read_last_rows(&path, &config, data.scaler()).unwrap();
    let passengers = data.scaler().inverse(&last.values);
    assert_close(&[passengers[0], passengers[23]], &[360.0, 432.0], 1e-4);
    assert_eq!(dates_after(&last.dates.unwrap(), 2).unwrap(), ["Jan 1961", "Feb 1961"]);
}
