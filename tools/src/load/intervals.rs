//! What came of requests, a line for each interval, as RSPLIB writes it: `hrestest -statsfile`.

use std::io::{self, Write};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The columns, behind the number of the line.
const HEADER: &str = "AbsTime RelTime Success Failure";

/// What was brought since the beginning, written with the first answer, with the first one of each interval after that, and in the end.
#[derive(Debug)]
pub struct Intervals<W> {
    output: W,
    begin: Instant,
    /// When it began, seconds since 1970.
    begin_absolute: f64,
    length: Duration,
    /// When the last line was written.
    written: Option<Instant>,
    lines: u64,
    /// Elements.
    successes: u64,
    /// Requests that brought none.
    failures: u64,
}

impl<W: Write> Intervals<W> {
    /// It begins now.
    ///
    /// # Errors
    /// The output's.
    pub fn begin(mut output: W, length: Duration, now: Instant) -> io::Result<Self> {
        writeln!(output, "{HEADER}")?;
        let begin_absolute = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let (written, lines, successes, failures) = (None, 0, 0, 0);
        Ok(Self { output, begin: now, begin_absolute, length, written, lines, successes, failures })
    }

    /// An answer has brought so many elements.
    ///
    /// # Errors
    /// The output's.
    pub fn note(&mut self, elements: usize, now: Instant) -> io::Result<()> {
        self.successes += elements as u64;
        self.failures += u64::from(elements == 0);
        match self.written {
            Some(at) if now.duration_since(at) < self.length => Ok(()),
            _ => self.write_line(now),
        }
    }

    fn write_line(&mut self, now: Instant) -> io::Result<()> {
        self.written = Some(now);
        self.lines += 1;
        let relative = now.duration_since(self.begin).as_secs_f64();
        let absolute = self.begin_absolute + relative;
        let Self { lines, successes, failures, .. } = self;
        writeln!(self.output, "{lines:06}   {absolute:.6} {relative:.6}   {successes} {failures}")?;
        self.output.flush()
    }

    /// All is over now.
    ///
    /// # Errors
    /// The output's.
    pub fn finish(&mut self, now: Instant) -> io::Result<()> {
        self.write_line(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_with_answers_and_tell_all_until_then() {
        let (mut file, begin) = (Vec::new(), Instant::now());
        let at = |millis| begin + Duration::from_millis(millis);
        let mut intervals = Intervals::begin(&mut file, Duration::from_secs(1), begin).unwrap();
        for (elements, millis) in [(3, 10), (0, 500), (1, 1009), (2, 3000), (0, 3100)] {
            intervals.note(elements, at(millis)).unwrap();
        }
        intervals.finish(at(3250)).unwrap();
        let text = String::from_utf8(file).unwrap();
        let (header, rows) = text.split_once('\n').unwrap();
        assert_eq!(header, "AbsTime RelTime Success Failure");
        let without_absolute = |row: &str| {
            let mut fields: Vec<_> = row.split_whitespace().collect();
            fields.remove(1);
            fields.join(" ")
        };
        let rows: Vec<_> = rows.lines().map(without_absolute).collect();
        assert_eq!(rows, ["000001 0.010000 3 0", "000002 3.000000 6 1", "000003 3.250000 6 2"]);
    }
}
