//! All components on a terminal.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Row, Table, Widget};
use rserpool::csp::{ComponentAssociation, ComponentId, Group};

use super::Ears;
use super::components::{Component, Components};
use super::options::Options;
use super::words::{clock, percent, protocol, receiver};
use crate::signals::Signals;

/// How soon a key is noticed.
const GLANCE: Duration = Duration::from_millis(30);
/// Columns of a component's name, of times, of the number of associations, of the load.
const COLUMNS: [u16; 5] = [20, 12, 6, 6, 6];

/// Which part of the components is seen.
#[derive(Clone, Copy, Debug, Default)]
struct View {
    is_compact: bool,
    /// Rows above the first one that is seen.
    scrolled: usize,
    /// Rows that there is room for.
    height: usize,
}

/// Shows what comes in, until the user or a signal ends it.
///
/// # Errors
/// The system's.
pub fn show(ears: &mut Ears, options: &Options, signals: &Signals) -> io::Result<()> {
    let mut terminal = ratatui::try_init()?;
    let outcome = run(&mut terminal, ears, options, signals);
    ratatui::try_restore()?;
    outcome
}

fn run(
    terminal: &mut DefaultTerminal,
    ears: &mut Ears,
    options: &Options,
    signals: &Signals,
) -> io::Result<()> {
    let mut view = View { is_compact: options.compact, ..View::default() };
    let interval = Duration::from_millis(options.updateinterval);
    let mut due = Instant::now();
    while !signals.have_come()? {
        ears.listen(GLANCE, |_, _, _| Ok(()))?;
        let has_pressed = press_keys(&mut view)?;
        if has_pressed == Some(true) {
            break;
        }
        let now = Instant::now();
        if now >= due || has_pressed.is_some() {
            due = now + interval;
            let screen = Screen { components: &ears.components, options, now };
            terminal.draw(|frame| screen.draw(&mut view, frame.area(), frame.buffer_mut()))?;
        }
    }
    Ok(())
}

/// Does what the user wants; none if he wants nothing, else whether he wants to end.
fn press_keys(view: &mut View) -> io::Result<Option<bool>> {
    let mut has_pressed = None;
    while event::poll(Duration::ZERO)? {
        has_pressed = Some(match event::read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release && view.press(key) => return Ok(Some(true)),
            _ => false,
        });
    }
    Ok(has_pressed)
}

impl View {
    /// Whether it is the end.
    fn press(&mut self, key: KeyEvent) -> bool {
        match key.code {
            KeyCode::Char('q') | KeyCode::Esc => return true,
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return true,
            KeyCode::Char('c') => self.is_compact = !self.is_compact,
            KeyCode::Up => self.scrolled = self.scrolled.saturating_sub(1),
            KeyCode::Down => self.scrolled += 1,
            KeyCode::PageUp => self.scrolled = self.scrolled.saturating_sub(self.height),
            KeyCode::PageDown => self.scrolled += self.height,
            KeyCode::Home => self.scrolled = 0,
            KeyCode::End => self.scrolled = usize::MAX / 2,
            _ => {}
        }
        false
    }
}

/// What is seen at a time.
struct Screen<'a> {
    components: &'a Components,
    options: &'a Options,
    now: Instant,
}

impl Screen<'_> {
    fn draw(&self, view: &mut View, area: Rect, buffer: &mut Buffer) {
        let [head, body] = Layout::vertical([Constraint::Length(2), Constraint::Fill(1)]).areas(area);
        view.height = usize::from(body.height);
        let items = self.items(view.is_compact);
        view.scrolled = view.scrolled.min(items.len().saturating_sub(view.height));
        let seen = items.iter().skip(view.scrolled).take(view.height).map(|item| self.row(item));
        let [name, time, associations, last, load] = COLUMNS.map(Constraint::Length);
        let place = Constraint::Length(self.options.maxlocationsize);
        Table::new(seen, [name, place, time, last, associations, load, Constraint::Fill(1)])
            .render(body, buffer);
        let titles = ["", "location", "up", "heard", "assoc", "load", "status"];
        let widths = [name, place, time, last, associations, load, Constraint::Fill(1)];
        let [first, second] = Layout::vertical([Constraint::Length(1); 2]).areas(head);
        self.headline(view, items.len()).render(first, buffer);
        Table::new([Row::new(titles).style(Modifier::REVERSED)], widths).render(second, buffer);
    }

    fn headline(&self, view: &View, rows: usize) -> Line<'static> {
        let mut counts = BTreeMap::<Group, usize>::new();
        self.components.iter().for_each(|(id, _)| *counts.entry(id.group()).or_default() += 1);
        let mut spans = vec![Span::raw("Components: ")];
        for (group, name) in
            [(Group::Registrar, "PRs"), (Group::PoolElement, "PEs"), (Group::PoolUser, "PUs")]
        {
            let count = counts.get(&group).copied().unwrap_or_default();
            spans.push(Span::styled(format!("{count} {name}  "), color(group)));
        }
        if rows > view.height {
            spans.push(Span::raw(format!(
                "rows {} to {} of {rows}  ",
                view.scrolled + 1,
                view.scrolled + view.height
            )));
        }
        let Components { malformed, refused, .. } = self.components;
        if malformed + refused > 0 {
            spans.push(Span::raw(format!("{malformed} malformed, {refused} refused")));
        }
        spans.into()
    }

    /// All rows that there are. Only those that are seen are made, since there may be hundreds of thousands.
    fn items(&self, is_compact: bool) -> Vec<Item<'_>> {
        let mut items = Vec::new();
        let (mut group, mut shown, mut hidden) = (None, 0, 0);
        for (id, component) in self.components.iter() {
            if group != Some(id.group()) {
                items.extend(Item::hidden(hidden));
                (group, shown, hidden) = (Some(id.group()), 0, 0);
            }
            if shown == self.options.most(id) {
                hidden += 1;
                continue;
            }
            shown += 1;
            items.push(Item::Component(id, component));
            if !is_compact {
                let associations = &component.report.associations;
                items.extend(associations.iter().map(Item::Association));
                let more = component.associations - associations.len();
                items.extend((more > 0).then_some(Item::MoreAssociations(more)));
            }
        }
        items.extend(Item::hidden(hidden));
        items
    }

    fn row(&self, item: &Item<'_>) -> Row<'static> {
        let with_place = |place: String, time: String| Row::new([String::new(), place, time]);
        match item {
            Item::Component(id, component) => self.component_row(*id, component),
            Item::Association(to) => with_place(
                format!("-> {} {}", receiver(to.receiver), protocol(to)),
                to.duration.map(clock).unwrap_or_default(),
            ),
            Item::MoreAssociations(more) => with_place(format!("-> {more} more"), String::new()),
            Item::Hidden(hidden) => with_place(format!("({hidden} more are not shown)"), String::new()),
        }
    }

    fn component_row(&self, id: ComponentId, component: &Component) -> Row<'static> {
        let report = &component.report;
        let last = self.now.saturating_duration_since(component.heard);
        // As far as one can tell it is late.
        let is_late = last > report.interval * 3;
        let style = if is_late { color(id.group()).add_modifier(Modifier::DIM) } else { color(id.group()) };
        Row::new([
            id.to_string(),
            report.location.clone(),
            clock(report.age.saturating_add(last)),
            format!("{:.1} s", last.as_secs_f64()),
            component.associations.to_string(),
            report.workload.map(percent).unwrap_or_default(),
            report.status.clone(),
        ])
        .style(style)
    }
}

/// What a row is of.
enum Item<'a> {
    Component(ComponentId, &'a Component),
    Association(&'a ComponentAssociation),
    /// Associations that are not kept.
    MoreAssociations(usize),
    /// Components that the options leave out.
    Hidden(usize),
}

impl Item<'_> {
    fn hidden(count: usize) -> Option<Self> {
        (count > 0).then_some(Self::Hidden(count))
    }
}

fn color(group: Group) -> Style {
    Style::new().fg(match group {
        Group::Registrar => Color::Red,
        Group::PoolElement => Color::Cyan,
        Group::PoolUser => Color::Green,
        Group::Other(_) => Color::Reset,
    })
}

#[cfg(test)]
mod tests;
