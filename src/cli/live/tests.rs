//! What a terminal shows while a run goes, at every size, from a fixed list of events.

use std::{
    io::Write,
    num::NonZeroU16,
    sync::{Arc, Mutex},
    time::Duration,
};

use insta::assert_snapshot;
use vt100::Parser;

use super::{
    Bars,
    frame::{Look, frame},
    lines::lines,
    lock,
    progress::Progress,
};
use crate::{
    engine::event::{Failure, Outcome, RunEvent},
    plan::Lang,
    report::{
        render::{Style, text::columns},
        samples::{Sample, mislabelled, noisy, skipped},
    },
};

fn look(lang: Lang, width: usize, rows: usize) -> Look {
    Look {
        style: Style {
            lang,
            color: false,
            width,
        },
        rows,
    }
}

fn pipe() -> Style {
    look(Lang::En, 1000, 1).style
}

/// A run with one of each outcome.
fn sample() -> Sample {
    Sample::default()
        .extended("X.1")
        .with("1.4", skipped("left out by --quick"))
        .with("2.2", noisy())
        .with("3.1", mislabelled())
}

/// Its events up to and with the first step of an item.
fn until(item: &str) -> Vec<RunEvent> {
    let events = sample().events();
    let is_step = |event: &RunEvent| matches!(event, RunEvent::StepStarted { item: of, .. } if of.to_string() == item);
    let at = events.iter().position(is_step).unwrap();
    events[..=at].to_vec()
}

/// A terminal that shows what it is told.
struct Terminal {
    progress: Arc<Mutex<Progress>>,
    bars: Option<Bars<Vec<u8>>>,
    shown: Parser,
    look: Arc<Mutex<Look>>,
    at: Arc<Mutex<Duration>>,
}

fn new_parser(width: usize, rows: usize) -> Parser {
    let size = |size: usize| NonZeroU16::new(u16::try_from(size).unwrap()).unwrap();
    Parser::new(size(rows), size(width), 0)
}

impl Terminal {
    fn new(look: Look) -> Self {
        let shown = new_parser(look.style.width, look.rows);
        let progress = Arc::<Mutex<Progress>>::default();
        let (look, at) = (
            Arc::new(Mutex::new(look)),
            Arc::<Mutex<Duration>>::default(),
        );
        let (drawn, now, then) = (Arc::clone(&progress), Arc::clone(&look), Arc::clone(&at));
        let look_now = move || *now.lock().unwrap();
        let bars = Bars::new(Vec::new(), drawn, look_now, move || *then.lock().unwrap());
        Self {
            progress,
            bars: Some(bars),
            shown,
            look,
            at,
        }
    }

    /// An event every 100 ms.
    fn tell(&mut self, events: &[RunEvent]) -> &mut Self {
        for event in events {
            let (style, at) = (self.look.lock().unwrap().style, *self.at.lock().unwrap());
            let mut progress = lock(&self.progress);
            progress.apply(event, at);
            let lines = lines(&progress, event, style);
            drop(progress);
            *self.at.lock().unwrap() += Duration::from_millis(100);
            let bars = self.bars.as_ref().unwrap();
            bars.show(&lines);
            self.shown.process(&bars.screen.take());
        }
        self
    }

    /// The view of a run that is over.
    fn ends(&mut self) {
        let screen = self.bars.as_ref().unwrap().screen.clone();
        self.bars = None;
        self.shown.process(&screen.take());
    }

    fn is_resized(&mut self, to: Look) {
        *self.look.lock().unwrap() = to;
    }

    fn text(&self) -> String {
        let width = self.shown.screen().size().1.get();
        let rows = self.shown.screen().rows(0, width);
        let rows: Vec<String> = rows.map(|row| row.trim_end().to_owned()).collect();
        rows.join("\n").trim_end().to_owned()
    }
}

#[test]
fn a_run_in_its_middle() {
    for (name, lang, width) in [
        ("80_en", Lang::En, 80),
        ("80_ja", Lang::Ja, 80),
        ("40_en", Lang::En, 40),
        ("40_ja", Lang::Ja, 40),
    ] {
        let mut terminal = Terminal::new(look(lang, width, 50));
        terminal.tell(&until("3.4"));
        assert_snapshot!(format!("middle_{name}"), terminal.text());
    }
}

#[test]
fn a_run_that_only_begins() {
    let mut terminal = Terminal::new(look(Lang::En, 80, 24));
    terminal.tell(&sample().events()[..1]);
    assert_snapshot!("begins", terminal.text());
}

/// As the phases, also what runs now and its step, must be seen in a window of a few rows.
#[test]
fn a_terminal_of_few_rows_shows_the_phase_that_runs() {
    let mut terminal = Terminal::new(look(Lang::En, 80, 8));
    terminal.tell(&until("4.2"));
    let shown = terminal.text();
    assert!(shown.contains("> Phase 4: Token management"), "{shown}");
    assert!(!shown.contains("Phase 5"), "{shown}");
    assert!(shown.contains("4.2 Token list"), "{shown}");
}

#[test]
fn bars_keep_to_the_width_and_to_their_number_of_lines() {
    for lang in [Lang::En, Lang::Ja] {
        for width in [20, 24, 30, 37, 40, 41, 59, 60, 61, 80, 81, 130] {
            let look = look(lang, width, 24);
            let mut progress = Progress::default();
            let mut heights = Vec::new();
            for event in sample().events() {
                progress.apply(&event, Duration::ZERO);
                let lines = frame(&progress, look, Duration::from_secs(3599));
                for line in &lines {
                    assert!(columns(line) < width, "{width}: {line}");
                }
                heights.push(lines.len());
            }
            heights.dedup();
            assert_eq!(heights.len(), 1, "{width}: {heights:?}");
        }
    }
}

#[test]
fn what_is_said_keeps_to_the_width() {
    for lang in [Lang::En, Lang::Ja] {
        for width in [40, 60, 80] {
            let style = look(lang, width, 24).style;
            let mut progress = Progress::default();
            for event in sample().events() {
                progress.apply(&event, Duration::ZERO);
                for line in lines(&progress, &event, style) {
                    assert!(columns(&line) <= width, "{width}: {line}");
                }
            }
        }
    }
}

#[test]
fn a_failure_is_seen_in_a_bar_that_has_no_cell_for_each_item() {
    let mut progress = Progress::default();
    for event in until("4.1") {
        progress.apply(&event, Duration::ZERO);
    }
    for width in [30, 36, 40, 80] {
        let lines = frame(&progress, look(Lang::En, width, 24), Duration::ZERO);
        let bar = lines.iter().find(|line| line.contains("6/6")).unwrap();
        assert!(bar.contains('✘'), "{width}: {bar}");
    }
}

#[test]
fn at_the_end_what_was_said_is_left_and_no_bar() {
    let mut terminal = Terminal::new(look(Lang::En, 80, 80));
    terminal.tell(&sample().events()).ends();
    let shown = terminal.text();
    assert_eq!(shown.matches("✔").count(), 23, "{shown}");
    assert!(!shown.contains(['□', '■']), "{shown}");
    assert!(
        shown.ends_with("Query string kept through the login"),
        "{shown}"
    );
}

/// A terminal that is made narrower and does not touch what is there.
#[test]
fn a_terminal_that_cuts_when_it_is_made_narrower_keeps_no_garbage() {
    let mut terminal = Terminal::new(look(Lang::En, 80, 60));
    let events = until("3.4");
    terminal.tell(&events[..events.len() - 1]);
    let size = |size| NonZeroU16::new(size).unwrap();
    terminal.shown.screen_mut().set_size(size(60), size(40));
    terminal.is_resized(look(Lang::En, 40, 60));
    terminal.tell(&events[events.len() - 1..]);
    only_one_region(&terminal.text());
}

/// Most terminals wrap what is there anew, and take the cursor along: here by hand.
#[test]
fn a_terminal_that_wraps_anew_when_it_is_made_narrower_keeps_no_garbage() {
    let mut terminal = Terminal::new(look(Lang::En, 80, 60));
    let events = until("3.4");
    terminal.tell(&events[..events.len() - 1]);
    let (row, column) = terminal.shown.screen().cursor_position();
    assert_eq!(column, 0, "the cursor rests where the region begins");
    let shown = terminal.text();
    let above: Vec<&str> = shown.lines().take(usize::from(row)).collect();
    let region: Vec<&str> = shown.lines().skip(usize::from(row)).collect();
    let mut narrow = new_parser(40, 200);
    write!(
        narrow,
        "{}\r\n\u{1b}7{}\u{1b}8",
        above.join("\r\n"),
        region.join("\r\n")
    )
    .unwrap();
    terminal.shown = narrow;
    terminal.is_resized(look(Lang::En, 40, 60));
    terminal.tell(&events[events.len() - 1..]);
    only_one_region(&terminal.text());
}

#[track_caller]
fn only_one_region(shown: &str) {
    for once in [
        "Phase 1: Basics",
        "Phase 7: Performance",
        "  Extended",
        "/26",
    ] {
        assert_eq!(shown.matches(once).count(), 1, "{once}\n{shown}");
    }
}

#[test]
fn colours_are_marks_and_nothing_else() {
    let plain = Terminal::new(look(Lang::En, 80, 50))
        .tell(&until("3.4"))
        .text();
    let mut look = look(Lang::En, 80, 50);
    look.style.color = true;
    let mut terminal = Terminal::new(look);
    terminal.tell(&until("3.4"));
    assert_eq!(terminal.text(), plain);
    let red = vt100::Color::Idx(1);
    let cells = (0..50).flat_map(|row| (0..80).map(move |column| (row, column)));
    let screen = terminal.shown.screen();
    let red: String = cells
        .filter_map(|(row, column)| screen.cell(row, column))
        .filter(|cell| cell.fgcolor() == red)
        .map(|cell| cell.contents().to_owned())
        .collect();
    assert_eq!(red, "✘FAILED      ✘✘ 1");
}

#[test]
fn what_the_gateway_says_reaches_no_terminal_as_a_command() {
    let evil = "\u{1b}[2J\u{9b}2J\u{7}\r\u{202e}evil";
    let failure = Failure {
        did: evil.to_owned(),
        expected: evil.to_owned(),
        seen: format!("{evil}\n{}", evil.repeat(20_000)),
        ..Failure::default()
    };
    let outcomes = [
        Outcome::Failed(failure.clone()),
        Outcome::Inconclusive(failure),
        skipped(evil),
    ];
    for outcome in outcomes {
        let mut events = Sample::default().with("1.1", outcome).events();
        for event in &mut events {
            if let RunEvent::StepStarted { text, .. } = event {
                *text = evil.to_owned();
            }
        }
        events.truncate(12);
        events.push(RunEvent::StackFailed {
            reason: evil.to_owned(),
        });
        let mut progress = Progress::default();
        for event in &events {
            progress.apply(event, Duration::ZERO);
            let look = look(Lang::En, 80, 24);
            let mut shown = frame(&progress, look, Duration::ZERO);
            for style in [look.style, pipe()] {
                let lines = lines(&progress, event, style);
                assert!(lines.len() < 140, "{}", lines.len());
                shown.extend(lines);
            }
            let passed_on = shown.iter().find(|line| line.contains(char::is_control));
            assert_eq!(passed_on, None);
        }
    }
}

#[test]
fn a_pipe_gets_a_line_an_item_and_a_failure_in_full() {
    let mut progress = Progress::default();
    let mut shown = Vec::new();
    for event in until("3.4") {
        progress.apply(&event, Duration::ZERO);
        shown.extend(lines(&progress, &event, pipe()));
    }
    assert_snapshot!("pipe", shown.join("\n"));
}
