//! Draws a scenario: throughput, window and queue over time, one line for each algorithm.

use super::scenarios::Scenario;
use core::time::Duration;
use plotters::coord::Shift;
use plotters::prelude::*;
use sctp_user::sim::flows::Recording;
use std::error::Error;
use std::path::Path;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Points = Vec<(f64, f64)>;

const SIZE: (u32, u32) = (960, 820);
/// The vertical axis reaches so much further than the lines: room for their names.
const HEADROOM: f64 = 1.4;
/// Distinct for the color-blind, too.
const COLORS: [RGBColor; 3] = [RGBColor(0, 0, 0), RGBColor(0, 114, 178), RGBColor(213, 94, 0)];
/// Points of a line at most.
const POINTS: usize = 400;

/// A line in a chart.
struct Line {
    label: String,
    color: RGBColor,
    points: Points,
}

/// Draws the runs of a scenario, each with another algorithm, into an SVG file.
pub(crate) fn draw(
    scenario: &Scenario,
    recordings: &[(&str, Recording)],
    file: &Path,
) -> Result<(), Box<dyn Error>> {
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let root = root.titled(scenario.title, ("sans-serif", 20))?;
    let [top, middle, bottom] = split(&root);
    draw_chart(&top, "Mbit/s", scenario, &lines(recordings, throughput))?;
    draw_chart(&middle, "window, kB", scenario, &lines(recordings, window))?;
    draw_chart(&bottom, "queue, kB", scenario, &lines(recordings, |recording, _| queue(recording)))?;
    root.present()?;
    Ok(())
}

fn split<'a>(root: &Area<'a>) -> [Area<'a>; 3] {
    let areas = root.split_evenly((3, 1));
    areas.try_into().unwrap_or_else(|_| unreachable!("three rows make three areas"))
}

/// One line for each algorithm, of the flow that it controls, which comes last.
fn lines(recordings: &[(&str, Recording)], points: impl Fn(&Recording, usize) -> Points) -> Vec<Line> {
    let line = |((name, recording), color): (&(&str, Recording), RGBColor)| Line {
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

/// The largest of each run of samples, in kilobytes: peaks are what matters.
fn thin(recording: &Recording, bytes: impl Fn(usize) -> usize) -> Points {
    let samples = recording.queue.len();
    let run = samples.div_ceil(POINTS);
    let point = |start: usize| {
        let largest = (start..(start + run).min(samples)).map(&bytes).max().unwrap_or(0);
        (recording.seconds(start), largest as f64 / 1e3)
    };
    (0..samples).step_by(run).map(point).collect()
}

fn draw_chart(
    area: &Area<'_>,
    unit: &str,
    scenario: &Scenario,
    lines: &[Line],
) -> Result<(), Box<dyn Error>> {
    let most = lines.iter().flat_map(|line| &line.points).map(|point| point.1).fold(1.0, f64::max);
    let seconds = scenario.duration.max(Duration::from_secs(1)).as_secs_f64();
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..seconds, 0.0..most * HEADROOM)?;
    chart.configure_mesh().x_desc("seconds").y_desc(unit).light_line_style(WHITE).draw()?;
    for line in lines {
        let color = line.color;
        chart
            .draw_series(LineSeries::new(line.points.iter().copied(), color.stroke_width(2)))?
            .label(line.label.as_str())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], color.stroke_width(2)));
    }
    let names = SeriesLabelPosition::UpperRight;
    chart.configure_series_labels().position(names).background_style(WHITE).border_style(BLACK).draw()?;
    Ok(())
}
