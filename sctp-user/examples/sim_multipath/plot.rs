//! Draws a transfer: throughput, window and queue of each path over time.

use super::chart::{self, COLORS, Line, Points};
use super::recording::{Recording, Sample};
use std::error::Error;
use std::path::Path;

/// Samples that one point of throughput is the mean of.
const STEP: usize = 10;
/// Bytes of a full packet.
const PACKET: f64 = 1_500.0;

/// Draws a transfer into an SVG file.
pub(crate) fn draw(title: &str, recording: &Recording, file: &Path) -> Result<(), Box<dyn Error>> {
    let samples = recording.received.len();
    let mut rates =
        paths(recording, |samples| per_second(recording, |index| samples[index].carried as f64 * PACKET));
    let whole = per_second(recording, |index| recording.received[index] as f64);
    rates.insert(0, Line { label: "received in order".into(), color: COLORS[0], points: whole });
    let thin = |bytes: &dyn Fn(usize) -> usize| chart::thin(samples, |index| recording.seconds(index), bytes);
    let charts = [
        ("Mbit/s", rates),
        ("window, kB", paths(recording, |samples| thin(&|index| samples[index].cwnd))),
        ("queue, kB", paths(recording, |samples| thin(&|index| samples[index].queue))),
    ];
    chart::draw(title, recording.lasted.as_secs_f64(), &charts, file)
}

/// One line for each path.
fn paths(recording: &Recording, points: impl Fn(&[Sample]) -> Points) -> Vec<Line> {
    let line = |((index, samples), color): ((usize, &Vec<Sample>), _)| Line {
        label: format!("path {}", index + 1),
        color,
        points: points(samples),
    };
    recording.paths.iter().enumerate().zip(COLORS.into_iter().skip(1)).map(line).collect()
}

/// Mbit/s of what has added up to `bytes` at each sample.
fn per_second(recording: &Recording, bytes: impl Fn(usize) -> f64) -> Points {
    let seconds = |index| recording.seconds(index);
    let point = |end: usize| {
        let begin = end - STEP;
        let rate = (bytes(end) - bytes(begin)) * 8.0 / (seconds(end) - seconds(begin)) / 1e6;
        ((seconds(begin) + seconds(end)) / 2.0, rate)
    };
    (STEP..recording.received.len()).step_by(STEP).map(point).collect()
}
