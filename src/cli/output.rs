//! Temporary: replaced by the listing's output.
use crate::cli::error::CommandError;
use crate::settings::{Color, OutputFormat};

pub(crate) struct Output {
    format: OutputFormat,
}
impl Output {
    pub(crate) fn new(format: OutputFormat, _: Color) -> Self {
        Self { format }
    }
    pub(crate) fn format(&self) -> OutputFormat {
        self.format
    }
    pub(crate) fn error(&self, _: &str, error: &CommandError) -> u8 {
        eprintln!("error: {}", error.message);
        for cause in &error.causes {
            eprintln!("cause: {cause}");
        }
        for hint in &error.hints {
            eprintln!("hint: {hint}");
        }
        error.kind.exit_code()
    }
    pub(crate) fn items(
        &self,
        command: &str,
        journal: Option<(&str, &str)>,
        items: Vec<serde_json::Value>,
        next: Option<i64>,
    ) -> Result<(), CommandError> {
        println!(
            "{}",
            serde_json::json!({"version":1,"command":command,"journal":journal.map(|(path,id)| serde_json::json!({"path":path,"id":id})),"items":items,"next":next})
        );
        Ok(())
    }
}
