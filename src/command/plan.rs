//! `homeostat plan`: what a running homeostat means to do, does and did, and what people say about it.

mod table;

use std::{
    io::{self, BufRead, IsTerminal, Write},
    process::ExitCode,
};

use homeostat_engine::{PlanState, PlanView};
use homeostat_model::PlanId;
use serde_json::json;

use crate::{
    api::Listed,
    cli::{OnePlanArgs, PlanArgs, PlanCommand, PlanListArgs, PlanVoteArgs, Rendering},
    client::{Client, encoded},
    printable::printable,
    rendering::rendered,
    report::Failure,
};

pub(crate) fn run(args: &PlanArgs) -> Result<ExitCode, Failure> {
    match &args.command {
        PlanCommand::List(args) => list(args),
        PlanCommand::Show(args) => show(args),
        PlanCommand::Approve(args) => vote(args, true),
        PlanCommand::Reject(args) => vote(args, false),
        PlanCommand::Cancel(args) => cancel(args),
    }
}

fn list(args: &PlanListArgs) -> Result<ExitCode, Failure> {
    let client = Client::new(&args.asked.server)?;
    let state = args.state.as_deref().map(|state| format!("&state={}", encoded(state))).unwrap_or_default();
    let mut listed = Listed::default();
    // What is asked for may be longer than one answer.
    loop {
        let wanted = args.limit.saturating_sub(listed.plans.len());
        let after = listed.next.map(|id| format!("&continue={id}")).unwrap_or_default();
        let more: Listed = client.get(&format!("/api/v1/plans?limit={wanted}{state}{after}"))?;
        let over = more.next.is_none() || more.plans.is_empty() || more.plans.len() >= wanted;
        listed.plans.extend(more.plans);
        (listed.left_out, listed.next) = (more.left_out, more.next);
        if over {
            break;
        }
    }
    if let Some(text) = rendered(&listed, args.asked.output)? {
        print(&text);
        return Ok(ExitCode::SUCCESS);
    }
    print(&table::list(&listed.plans, args.state.is_none()));
    if listed.left_out > 0 {
        let help = "a greater --limit shows more of them, --state fewer";
        // Nothing can be done when standard error is closed.
        let _ = writeln!(io::stderr().lock(), "{} older plans are not shown; {help}", listed.left_out);
    }
    Ok(ExitCode::SUCCESS)
}

fn show(args: &OnePlanArgs) -> Result<ExitCode, Failure> {
    let view = fetch(&Client::new(&args.asked.server)?, args.plan)?;
    print(&rendered(&view, args.asked.output)?.unwrap_or_else(|| table::whole(&view)));
    Ok(ExitCode::SUCCESS)
}

/// Says what somebody thinks of a plan: of what they were shown, which is named by its hash.
fn vote(args: &PlanVoteArgs, approve: bool) -> Result<ExitCode, Failure> {
    let client = Client::new(&args.asked.server)?;
    let word = if approve { "approve" } else { "reject" };
    let hash = match &args.hash {
        Some(hash) => hash.clone(),
        None => {
            let view = fetch(&client, args.plan)?;
            match args.asked.output {
                Rendering::Table => print(&table::whole(&view)),
                // Standard output is for the program that reads it; whoever is asked sees what about.
                Rendering::Json | Rendering::Yaml if !args.yes => {
                    let _ = io::stderr().lock().write_all(table::whole(&view).as_bytes());
                }
                Rendering::Json | Rendering::Yaml => {}
            }
            if !args.yes && !meant(word, args.plan)? {
                return Err(Failure::new(format!("nothing was said about plan {}", args.plan)).found());
            }
            view.hash
        }
    };
    let view: Option<PlanView> =
        client.post(&format!("/api/v1/plans/{}/{word}", args.plan), &json!({ "hash": hash }))?;
    outcome(args.plan, view, args.asked.output, &format!("{word} was heard"))
}

fn cancel(args: &OnePlanArgs) -> Result<ExitCode, Failure> {
    let client = Client::new(&args.asked.server)?;
    let view: Option<PlanView> = client.post(&format!("/api/v1/plans/{}/cancel", args.plan), &json!({}))?;
    outcome(args.plan, view, args.asked.output, "it is called off")
}

fn fetch(client: &Client, plan: PlanId) -> Result<PlanView, Failure> {
    client.get(&format!("/api/v1/plans/{plan}"))
}

/// Asks at the terminal whether that is meant.
fn meant(word: &str, plan: PlanId) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::new(format!("there is nobody to ask whether to {word} plan {plan}"))
            .help("add --yes for what is shown, or --hash with the hash of what you have seen"));
    }
    let mut out = io::stderr().lock();
    // Who does not see the question answers it with nothing, which is no.
    let _ = write!(out, "{word} this plan? [y/N] ");
    let _ = out.flush();
    let mut answer = String::new();
    io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Failure::new(format!("cannot read an answer: {error}")))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn outcome(plan: PlanId, view: Option<PlanView>, output: Rendering, done: &str) -> Result<ExitCode, Failure> {
    let text = match rendered(&view, output)? {
        Some(text) => text,
        None => {
            let now = view.map(|view| match (view.state, view.quorum) {
                (PlanState::Waiting, Some(quorum)) => {
                    let (many, who) = (view.approved.len(), view.approved.join(", "));
                    let held = view.held.filter(|_| many >= usize::from(quorum));
                    let held = held.map_or_else(String::new, |held| format!("; it begins when that is over: {held}"));
                    format!("; {many} of {quorum} have approved of it: {who}{held}")
                }
                (state, _) => format!("; it is {state}"),
            });
            printable(&format!("plan {plan}: {done}{}", now.unwrap_or_default())) + "\n"
        }
    };
    print(&text);
    Ok(ExitCode::SUCCESS)
}

/// A closed standard output means that nobody wants to read it.
fn print(text: &str) {
    let _ = io::stdout().lock().write_all(text.as_bytes());
}
