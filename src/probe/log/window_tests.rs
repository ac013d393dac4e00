//! What a window shows, on a log that grows while it is read.

use std::{collections::VecDeque, sync::Mutex};

use super::*;

/// Long enough for every wait here that ends, much shorter than one that does not.
const PATIENCE: Duration = Duration::from_secs(10);

/// A log in memory, of the gateway alone.
#[derive(Default)]
struct Paper {
    written: Mutex<String>,
    /// What is written after each look at the log, one entry a look.
    between: Mutex<VecDeque<&'static str>>,
    /// What was written, but can only be read once the log has settled.
    under_way: Mutex<String>,
}

impl Paper {
    fn write(&self, line: &str) {
        let mut written = self.written.lock().unwrap();
        written.push_str(line);
        written.push('\n');
    }
}

#[async_trait]
impl LogSource for Paper {
    async fn log_cursor(&self, service: Service) -> Result<LogCursor, StackError> {
        assert_eq!(service, Service::Gateway);
        let length = self.written.lock().unwrap().len() as u64;
        Ok(LogCursor(BTreeMap::from([("stderr".to_owned(), length)])))
    }

    async fn log_since(
        &self,
        service: Service,
        cursor: &LogCursor,
    ) -> Result<Vec<LogChunk>, StackError> {
        assert_eq!(service, Service::Gateway);
        let from = cursor.0.get("stderr").copied().unwrap_or_default();
        let bytes = self.written.lock().unwrap().as_bytes()[from as usize..].to_vec();
        if let Some(line) = self.between.lock().unwrap().pop_front() {
            self.write(line);
        }
        Ok(vec![LogChunk {
            source: "stderr".to_owned(),
            in_service_log: true,
            bytes,
        }])
    }

    async fn log_settled(&self, _: Service) -> Result<(), StackError> {
        let late = std::mem::take(&mut *self.under_way.lock().unwrap());
        if !late.is_empty() {
            self.write(&late);
        }
        Ok(())
    }
}

fn messages(records: &[Record]) -> Vec<&str> {
    records
        .iter()
        .map(|record| record.message.as_str())
        .collect()
}

#[tokio::test]
async fn a_window_shows_what_was_written_after_it_was_opened() {
    let paper = Paper::default();
    paper.write("[info] before");
    let window = Window::open(&paper, Service::Gateway).await.unwrap();
    paper.write("[info] after");
    *paper.under_way.lock().unwrap() = "[info] under way".to_owned();
    let records = window.records(&paper).await.unwrap();
    assert_eq!(messages(&records), ["[info] after", "[info] under way"]);
    let whole = Window::start(Service::Gateway);
    assert_eq!(whole.records(&paper).await.unwrap().len(), 3);
}

#[tokio::test]
async fn waiting_ends_with_the_line_waited_for_and_all_that_came_with_it() {
    let paper = Paper::default();
    paper
        .between
        .lock()
        .unwrap()
        .extend(["[info] one", "[info] two"]);
    *paper.under_way.lock().unwrap() = "[info] one too many".to_owned();
    let window = Window::start(Service::Gateway);
    // The deadline is far beyond the test's patience: what ends the wait is the second line.
    let waited = window.wait(&paper, PATIENCE * 60, |records| records.len() >= 2);
    let records = tokio::time::timeout(PATIENCE, waited).await;
    let records = records
        .expect("the wait ends when there is enough")
        .unwrap();
    assert_eq!(
        messages(&records),
        ["[info] one", "[info] two", "[info] one too many"]
    );
}

#[tokio::test]
async fn waiting_ends_at_its_deadline_with_what_there_is() {
    let paper = Paper::default();
    paper.write("[info] one");
    let window = Window::start(Service::Gateway);
    let waited = window.wait(&paper, Duration::from_millis(5), |_| false);
    let records = tokio::time::timeout(PATIENCE, waited).await;
    let records = records.expect("the wait ends at its deadline").unwrap();
    assert_eq!(messages(&records), ["[info] one"]);
}

#[tokio::test]
async fn lines_of_the_access_log_are_those_with_the_mark_that_are_no_record() {
    let paper = Paper::default();
    let access = r#"10.0.0.1 - - [08/Nov/2025:12:00:01 +0000] "GET /?verify=n1 HTTP/1.1" 200 2"#;
    let other = access.replace("n1", "n2");
    paper.write(access);
    paper.write("2025/11/08 12:00:01 [info] 7#7: *1 the request /?verify=n1 was logged");
    paper.write(&other);
    let window = Window::start(Service::Gateway);
    assert_eq!(window.access_lines(&paper, "n1").await.unwrap(), [access]);
    assert_eq!(window.access_lines(&paper, "n2").await.unwrap(), [other]);
    assert!(window.access_lines(&paper, "n3").await.unwrap().is_empty());
}
