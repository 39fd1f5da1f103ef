//! Whether a journal is as it was written, and where it is not.

use std::{io::Write, process::ExitCode};

use homeostat_journal::{ChainEnd, History};
use serde_json::json;

use crate::{cli::Rendering, rendering::rendered, report::Failure};

/// Reads everything and says whether it is whole; the last hash with it, to be noted where the journal cannot be changed from.
pub(super) fn verify(mut history: History, output: Rendering, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let (first, oldest) = (history.first_record(), history.segment());
    let mut problems = Vec::new();
    loop {
        match history.next_record() {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) => {
                problems.push(error.to_string());
                break;
            }
        }
    }
    problems.extend(history.damaged_snapshots().iter().map(|damage| format!("{damage}; replay cannot begin there")));
    let ChainEnd { record: last, hash } = history.chain_end();
    let (segments, torn) = (history.segment().saturating_sub(oldest).saturating_add(1), history.torn_bytes());
    let whole = problems.is_empty();
    let found = json!({
        "whole": whole,
        "problems": problems,
        "segments": segments,
        "records": {"first": first, "last": {"number": last, "hash": hash.to_string()}},
        "tornBytes": torn,
    });
    let text = match rendered(&found, output)? {
        Some(text) => text,
        None => {
            let state = if whole { "whole" } else { "damaged" };
            let range = if last < first { "no records".into() } else { format!("records {first} to {last}") };
            let files = if segments == 1 { "1 segment".into() } else { format!("{segments} segments") };
            let mut text = format!("{state}: {range} in {files}; the hash of the last is {hash}\n");
            if torn > 0 {
                text += &format!(
                    "{torn} bytes follow that are being written now, or that a crash has torn; the next start cuts them off\n"
                );
            }
            problems.iter().for_each(|problem| text += &format!("error: {problem}\n"));
            text
        }
    };
    // A closed standard output means that nobody wants to read it.
    let _ = out.write_all(text.as_bytes());
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Says that nothing of it can be read.
pub(super) fn damaged(problem: &str, output: Rendering, out: &mut impl Write) -> Result<ExitCode, Failure> {
    let text = rendered(&json!({"whole": false, "problems": [problem]}), output)?;
    let text = text.unwrap_or_else(|| format!("damaged\nerror: {problem}\n"));
    let _ = out.write_all(text.as_bytes());
    Ok(ExitCode::FAILURE)
}
