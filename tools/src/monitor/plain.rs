//! Changes as lines, where nobody sits at a terminal.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use rserpool::csp::{ComponentAssociation, ComponentId};
use serde::Serialize;

use super::components::{Change, Component};
use super::words::{percent, protocol, receiver};

/// A change, for people.
#[derive(Debug)]
pub struct Line<'a> {
    /// Whose.
    pub id: ComponentId,
    /// What became of it.
    pub change: Change,
    /// What it said last.
    pub component: &'a Component,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = &self.component.report;
        write!(f, "{} [{}] ", self.id, report.location)?;
        match self.change {
            Change::Ended => return f.write_str("has ended"),
            Change::Silent => return f.write_str("is silent"),
            Change::Came | Change::Changed => write!(f, "\"{}\"", report.status)?,
        }
        if let Some(workload) = report.workload {
            write!(f, ", load {}", percent(workload))?;
        }
        for association in &report.associations {
            write!(f, ", {} by {}", receiver(association.receiver), protocol(association))?;
        }
        match self.component.associations - report.associations.len() {
            0 => Ok(()),
            more => write!(f, ", and {more} more"),
        }
    }
}

/// A change, for programs.
#[derive(Debug, Serialize)]
pub struct Json<'a> {
    time: f64,
    change: &'static str,
    component: String,
    location: &'a str,
    status: &'a str,
    workload: Option<f64>,
    age_s: f64,
    source: String,
    associations: Vec<JsonAssociation>,
}

#[derive(Debug, Serialize)]
struct JsonAssociation {
    receiver: String,
    duration_s: Option<f64>,
    protocol: u16,
    ppid: u32,
}

impl<'a> Json<'a> {
    /// As [`Line`] has it.
    pub fn new(line: &Line<'a>) -> Self {
        let Component { report, source, .. } = line.component;
        Self {
            time: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64(),
            change: match line.change {
                Change::Came => "came",
                Change::Changed => "changed",
                Change::Ended => "ended",
                Change::Silent => "silent",
            },
            component: line.id.to_string(),
            location: &report.location,
            status: &report.status,
            workload: report.workload.map(|workload| workload.fraction()),
            age_s: report.age.as_secs_f64(),
            source: source.to_string(),
            associations: report.associations.iter().map(JsonAssociation::new).collect(),
        }
    }
}

impl JsonAssociation {
    fn new(association: &ComponentAssociation) -> Self {
        Self {
            receiver: association.receiver.to_string(),
            duration_s: association.duration.map(|duration| duration.as_secs_f64()),
            protocol: association.protocol,
            ppid: association.ppid,
        }
    }
}
