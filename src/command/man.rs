//! `homeostat man`: manual pages, made of what `--help` says.

use std::{fs, io::Write, process::ExitCode};

use clap::CommandFactory;
use clap_mangen::Man;

use crate::{
    cli::{Cli, ManArgs},
    report::Failure,
};

pub(crate) fn run(args: &ManArgs) -> Result<ExitCode, Failure> {
    let Some(folder) = &args.folder else {
        let mut page = Vec::new();
        Man::new(Cli::command())
            .render(&mut page)
            .map_err(|error| Failure::new(format!("the manual page cannot be made: {error}")))?;
        // A closed standard output means that nobody wants to read it.
        let _ = std::io::stdout().lock().write_all(&page);
        return Ok(ExitCode::SUCCESS);
    };
    let unusable = |error: std::io::Error| {
        Failure::new(format!("the manual pages cannot be written to {}: {error}", folder.display()))
            .help("give a folder that can be written to, such as /usr/local/share/man/man1")
    };
    fs::create_dir_all(folder).map_err(unusable)?;
    clap_mangen::generate_to(Cli::command(), folder).map_err(unusable)?;
    Ok(ExitCode::SUCCESS)
}
