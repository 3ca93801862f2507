//! A sheet: the parts of one thing, each behind its label.

/// Where the text begins.
pub(super) const INDENT: usize = 10;

/// Labelled parts, one under the other.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    lines: Vec<String>,
}

impl Sheet {
    pub(super) fn headed(heading: Vec<String>) -> Self {
        let mut lines = heading;
        lines.push(String::new());
        Self { lines }
    }

    /// A part; without lines there is none.
    pub(super) fn part(&mut self, label: &str, lines: impl IntoIterator<Item = String>) {
        let mut label = label;
        for line in lines {
            self.lines.push(format!("{label:INDENT$}{line}").trim_end().to_owned());
            label = "";
        }
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_stands_before_the_first_line_of_its_part() {
        let mut sheet = Sheet::headed(vec!["failure 1".into()]);
        sheet.part("why", ["first".to_owned(), String::new(), "third".to_owned()]);
        sheet.part("nothing", []);
        sheet.part("key", ["null".to_owned()]);
        assert_eq!(sheet.into_lines(), ["failure 1", "", "why       first", "", "          third", "key       null"]);
    }
}
