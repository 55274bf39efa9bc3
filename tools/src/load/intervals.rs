//! What came of requests, a line for each interval: `hrestest -statsfile`.

use std::io::{self, Write};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The columns, behind the number of the line.
const HEADER: &str = "AbsTime RelTime Success Failure";

/// Requests of an interval are counted, and written when it is over.
#[derive(Debug)]
pub struct Intervals<W> {
    output: W,
    begin: Instant,
    /// When it began, seconds since 1970.
    begin_absolute: f64,
    length: Duration,
    ends: Instant,
    lines: u64,
    successes: u64,
    failures: u64,
}

impl<W: Write> Intervals<W> {
    /// The first interval begins now.
    ///
    /// # Errors
    /// The output's.
    pub fn begin(mut output: W, length: Duration, now: Instant) -> io::Result<Self> {
        writeln!(output, "{HEADER}")?;
        let begin_absolute = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let ends = now + length;
        Ok(Self { output, begin: now, begin_absolute, length, ends, lines: 0, successes: 0, failures: 0 })
    }

    /// An answer has come.
    ///
    /// # Errors
    /// The output's.
    pub fn note(&mut self, is_success: bool, now: Instant) -> io::Result<()> {
        self.pass(now)?;
        *(if is_success { &mut self.successes } else { &mut self.failures }) += 1;
        Ok(())
    }

    /// Writes the intervals that are over.
    fn pass(&mut self, now: Instant) -> io::Result<()> {
        while self.ends <= now {
            let end = self.ends;
            self.write_line(end)?;
            self.ends += self.length;
        }
        Ok(())
    }

    fn write_line(&mut self, end: Instant) -> io::Result<()> {
        self.lines += 1;
        let relative = end.duration_since(self.begin).as_secs_f64();
        let absolute = self.begin_absolute + relative;
        let (successes, failures) = (std::mem::take(&mut self.successes), std::mem::take(&mut self.failures));
        writeln!(self.output, "{:06} {absolute:.6} {relative:.6} {successes} {failures}", self.lines)
    }

    /// The last interval ends now, and everything is written.
    ///
    /// # Errors
    /// The output's.
    pub fn finish(&mut self, now: Instant) -> io::Result<()> {
        self.pass(now)?;
        self.write_line(now)?;
        self.output.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_interval_has_a_line_also_those_without_answers() {
        let (mut file, begin) = (Vec::new(), Instant::now());
        let at = |millis| begin + Duration::from_millis(millis);
        let mut intervals = Intervals::begin(&mut file, Duration::from_secs(1), begin).unwrap();
        for (is_success, millis) in [(true, 0), (false, 500), (true, 999), (true, 3000)] {
            intervals.note(is_success, at(millis)).unwrap();
        }
        intervals.finish(at(3250)).unwrap();
        let text = String::from_utf8(file).unwrap();
        let (header, rows) = text.split_once('\n').unwrap();
        assert_eq!(header, "AbsTime RelTime Success Failure");
        let without_absolute = |row: &str| {
            let mut fields: Vec<_> = row.split(' ').collect();
            fields.remove(1);
            fields.join(" ")
        };
        let rows: Vec<_> = rows.lines().map(without_absolute).collect();
        let expected =
            ["000001 1.000000 2 1", "000002 2.000000 0 0", "000003 3.000000 0 0", "000004 3.250000 1 0"];
        assert_eq!(rows, expected);
    }
}
