//! How long each format of a report takes to make, and how large it is: medians over many
//! renderings of one report, without the start of a process.
//!
//! `cargo bench --bench formats [-- REPORT.json]`

use std::{env, error::Error, path::Path, time::Instant};

use verify::report::{
    load,
    render::{Format, Style},
};

/// How often each format is made; odd, so that there is one in the middle.
const TIMES: usize = 101;
/// What is rendered where no report is named.
const REPORT: &str = "reports/example/pass/report.json";

fn main() -> Result<(), Box<dyn Error>> {
    let named = env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let path = named.unwrap_or(REPORT.to_owned());
    let report = load(Path::new(&path))?;
    println!("{path}, medians of {TIMES}");
    println!("{:<20}{:>10}{:>10}", "format", "ms", "KB");
    for format in Format::ALL {
        let mut took = Vec::with_capacity(TIMES);
        let mut size = 0;
        for _ in 0..TIMES {
            let start = Instant::now();
            let text = format.render(&report, Style::default())?;
            took.push(start.elapsed().as_secs_f64() * 1e3);
            size = text.len();
        }
        took.sort_by(f64::total_cmp);
        let (ms, kb) = (took[TIMES / 2], size as f64 / 1e3);
        println!("{:<20}{ms:>10.2}{kb:>10.1}", format.name());
    }
    Ok(())
}
