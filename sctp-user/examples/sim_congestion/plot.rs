//! Draws a scenario: throughput, window and queue over time, one line for each algorithm.

use super::chart::{self, COLORS, Line, Points};
use super::scenarios::Scenario;
use sctp_user::sim::flows::Recording;
use std::error::Error;
use std::path::Path;

/// Draws the runs of a scenario, each with another algorithm, into an SVG file.
pub(crate) fn draw(
    scenario: &Scenario,
    recordings: &[(&str, Recording)],
    file: &Path,
) -> Result<(), Box<dyn Error>> {
    let charts = [
        ("Mbit/s", lines(recordings, throughput)),
        ("window, kB", lines(recordings, window)),
        ("queue, kB", lines(recordings, |recording, _| queue(recording))),
    ];
    chart::draw(scenario.title, scenario.duration.as_secs_f64(), &charts, file)
}

/// One line for each algorithm, of the flow that it controls, which comes last.
fn lines(recordings: &[(&str, Recording)], points: impl Fn(&Recording, usize) -> Points) -> Vec<Line> {
    let line = |((name, recording), color): (&(&str, Recording), _)| Line {
        label: (*name).to_owned(),
        color,
        points: points(recording, recording.flows.len() - 1),
    };
    recordings.iter().zip(COLORS).map(line).collect()
}

/// Over half a second each.
fn throughput(recording: &Recording, flow: usize) -> Points {
    let (step, end) = (0.5, recording.seconds(recording.queue.len() - 1));
    let steps = (end / step) as usize;
    let point = |index| {
        let from = step * f64::from(index);
        (from + step / 2.0, recording.goodput(flow, from..from + step) / 1e6)
    };
    (0..steps as u32).map(point).collect()
}

fn window(recording: &Recording, flow: usize) -> Points {
    thin(recording, |index| recording.flows[flow][index].cwnd)
}

fn queue(recording: &Recording) -> Points {
    thin(recording, |index| recording.queue[index])
}

fn thin(recording: &Recording, bytes: impl Fn(usize) -> usize) -> Points {
    chart::thin(recording.queue.len(), |index| recording.seconds(index), bytes)
}
