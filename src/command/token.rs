//! `homeostat token`: makes tokens for people and programs that use the API over HTTP.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    process::ExitCode,
};

use homeostat_request::TokenHash;
use serde_json::json;

use crate::{
    api::{checked_name, fresh},
    cli::{TokenArgs, TokenCommand, TokenCreateArgs},
    report::Failure,
};

pub(crate) fn run(args: &TokenArgs) -> Result<ExitCode, Failure> {
    let TokenCommand::Create(args) = &args.command;
    create(args)
}

fn create(args: &TokenCreateArgs) -> Result<ExitCode, Failure> {
    let name = checked_name(&args.name).map_err(|why| Failure::new(format!("--name: {why}")))?;
    let token = fresh().map_err(|error| Failure::new(format!("there is nothing to make a token of: {error}")))?;
    let hash = TokenHash::of(token.as_bytes());
    // JSON's texts are YAML's.
    let line = format!("- {{name: {}, hash: \"{hash}\", role: {}}}", json!(name), args.role.word());
    let shown = match &args.token_file {
        None => format!("The token, which is shown this once:\n\n{token}\n"),
        Some(file) => {
            let unusable = |error: io::Error| {
                Failure::new(format!("cannot write the token to {}: {error}", file.display()))
                    .help("give a file that is not there yet")
            };
            let mut opened =
                fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file).map_err(unusable)?;
            writeln!(opened, "{token}").and_then(|()| opened.sync_all()).map_err(unusable)?;
            format!("The token is in {}.\n", file.display())
        }
    };
    let text =
        format!("{shown}\nIts line for spec.api.tokens of the configuration, which holds its hash only:\n\n{line}\n");
    io::stdout()
        .lock()
        .write_all(text.as_bytes())
        .map_err(|error| Failure::new(format!("the token was not shown and is of no use: {error}")))?;
    Ok(ExitCode::SUCCESS)
}
