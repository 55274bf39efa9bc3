//! Charts of several lines over time, one below the other, in an SVG file: for the examples that draw.

use plotters::coord::Shift;
use plotters::prelude::*;
use std::error::Error;
use std::path::Path;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// Seconds, and what was there.
pub(crate) type Points = Vec<(f64, f64)>;

const SIZE: (u32, u32) = (960, 820);
/// The vertical axis reaches so much further than the lines: room for their names.
const HEADROOM: f64 = 1.4;
/// Distinct for the color-blind, too.
pub(crate) const COLORS: [RGBColor; 4] =
    [RGBColor(0, 0, 0), RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115)];
/// Points of a line at most.
const POINTS: usize = 400;

/// A line in a chart.
pub(crate) struct Line {
    pub(crate) label: String,
    pub(crate) color: RGBColor,
    pub(crate) points: Points,
}

/// A chart: what its vertical axis is, and its lines.
pub(crate) type Chart = (&'static str, Vec<Line>);

/// Draws charts over so many seconds under a title.
pub(crate) fn draw(title: &str, seconds: f64, charts: &[Chart], file: &Path) -> Result<(), Box<dyn Error>> {
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let root = root.titled(title, ("sans-serif", 20))?;
    for (area, (unit, lines)) in root.split_evenly((charts.len(), 1)).iter().zip(charts) {
        draw_chart(area, unit, seconds, lines)?;
    }
    root.present()?;
    Ok(())
}

/// The largest of each run of samples, in kilobytes: peaks are what matters.
pub(crate) fn thin(samples: usize, seconds: impl Fn(usize) -> f64, bytes: impl Fn(usize) -> usize) -> Points {
    let run = samples.div_ceil(POINTS).max(1);
    let point = |start: usize| {
        let largest = (start..(start + run).min(samples)).map(&bytes).max().unwrap_or(0);
        (seconds(start), largest as f64 / 1e3)
    };
    (0..samples).step_by(run).map(point).collect()
}

fn draw_chart(area: &Area<'_>, unit: &str, seconds: f64, lines: &[Line]) -> Result<(), Box<dyn Error>> {
    let most = lines.iter().flat_map(|line| &line.points).map(|point| point.1).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..seconds.max(1.0), 0.0..most * HEADROOM)?;
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
