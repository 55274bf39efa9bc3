//! The drawing of what happened when.

use super::ELEMENTS;

/// Columns of the drawing at most.
const WIDTH: usize = 72;
const LEVELS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What became of an element in a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Killed.
    Killed,
    /// Frozen.
    Frozen,
}

/// A tenth of a second.
#[derive(Clone, Copy, Debug, Default)]
struct Moment {
    replies: u64,
    /// Who served at its end.
    element: Option<usize>,
    mark: Option<(usize, Mark)>,
}

/// Who served when, and how well.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    moments: Vec<Moment>,
    mark: Option<(usize, Mark)>,
}

impl Timeline {
    /// Another tenth of a second is over.
    pub fn push(&mut self, replies: u64, element: Option<usize>) {
        self.moments.push(Moment { replies, element, mark: self.mark.take() });
    }

    /// Something was done to an element.
    pub fn mark(&mut self, element: usize, mark: Mark) {
        self.mark = Some((element, mark));
    }

    /// The drawing: a line for the rate of replies, one for each element, one for the time.
    pub fn draw(&self) -> Vec<String> {
        let step = self.moments.len().div_ceil(WIDTH).max(1);
        let columns: Vec<&[Moment]> = self.moments.chunks(step).collect();
        let sums: Vec<u64> = columns.iter().map(|column| sum(column)).collect();
        let most = sums.iter().copied().max().unwrap_or(0).max(1);
        let rate = sums.iter().map(|sum| LEVELS[(sum * 8).div_ceil(most) as usize]).collect::<String>();
        let mut lines = vec![format!("replies    {rate}")];
        for element in 0..ELEMENTS {
            let served = columns.iter().map(|column| serving(column, element)).collect::<String>();
            lines.push(format!("element {}  {served}", element + 1));
        }
        lines.push(ruler(columns.len(), step));
        lines
    }
}

fn sum(column: &[Moment]) -> u64 {
    column.iter().map(|moment| moment.replies).sum()
}

fn serving(column: &[Moment], element: usize) -> char {
    let marks = column.iter().filter_map(|moment| moment.mark);
    let mark = marks.filter(|(marked, _)| *marked == element).map(|(_, mark)| mark).next();
    match mark {
        Some(Mark::Killed) => '✖',
        Some(Mark::Frozen) => '❄',
        None if column.iter().any(|moment| moment.element == Some(element)) => '━',
        None => '·',
    }
}

/// Seconds below the columns, a number at every tenth column where there is room for it.
fn ruler(columns: usize, step: usize) -> String {
    let labels = (0..columns).step_by(10).map(|column| {
        let label = format!("{}", (column * step) as f64 / 10.0);
        if column + label.len() <= columns { format!("{label:<10}") } else { String::new() }
    });
    format!("seconds    {}", labels.collect::<String>()).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_fits_the_width() {
        let mut timeline = Timeline::default();
        (0..6000).for_each(|_| timeline.push(20, Some(0)));
        for line in timeline.draw() {
            assert!(line.chars().count() <= 11 + WIDTH, "{line}");
        }
    }

    #[test]
    fn faults_show_where_they_happened() {
        let mut timeline = Timeline::default();
        timeline.push(20, Some(0));
        timeline.mark(0, Mark::Killed);
        timeline.push(10, Some(1));
        timeline.push(20, Some(1));
        let lines = timeline.draw();
        assert_eq!(lines[0], "replies    █▄█");
        assert_eq!(lines[1], "element 1  ━✖·");
        assert_eq!(lines[2], "element 2  ·━━");
        assert_eq!(lines[4], "seconds    0");
    }

    #[test]
    fn an_empty_run_can_be_drawn() {
        assert_eq!(Timeline::default().draw().len(), ELEMENTS + 2);
    }
}
