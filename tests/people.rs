//! People's commands to a homeostat that runs: over its socket, over HTTP with tokens and roles, and over TLS.

#[cfg(test)]
mod program;

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::{Read, Write},
        net::TcpStream,
        os::unix::fs::PermissionsExt,
        path::{Path, PathBuf},
        time::{Duration, Instant},
    };

    use serde_json::{Value, json};

    use crate::program::{Program, homeostat, homeostat_in, printed, root, scratch};

    /// Both wait for people as soon as there is a data centre: one for two of them, one for anybody.
    const POLICIES: &str = "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {name: two}\nspec:\n  select: {kind: vm, name: web-1}\n  \
        when: state == \"running\"\n  mode: approve\n  approval: {quorum: 2}\n  cooldown: 1h\n  then: [restart]\n---\n\
        apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {name: one}\nspec:\n  select: {kind: vm, name: db-1}\n  \
        when: state == \"running\"\n  mode: approve\n  cooldown: 1h\n  then: [restart]\n";

    const ROLES: [(&str, &str); 4] = [("eve", "view"), ("ann", "approve"), ("ben", "approve"), ("max", "admin")];

    /// Tokens of these people, in files, and their lines in the configuration.
    fn tokens(folder: &Path) -> String {
        let lines = ROLES.map(|(name, role)| {
            let file = text(&folder.join(name));
            let (status, told) =
                printed(&homeostat(&["token", "create", "--name", name, "--role", role, "--token-file", &file]));
            assert_eq!(status, 0, "{told}");
            let token = fs::read_to_string(&file).unwrap();
            assert!(!told.contains(token.trim()) && fs::metadata(&file).unwrap().permissions().mode() & 0o777 == 0o600);
            format!("    {}\n", told.lines().find(|line| line.starts_with("- {")).unwrap())
        });
        lines.concat()
    }

    fn spec(more: &str) -> String {
        let scenario = root().join("examples/datacenter/datacenter.yaml");
        format!("adapters:\n  - datacentre: {{scenario: {}}}\n{more}", scenario.display())
    }

    /// One that runs, with tokens; `tls` is what else is under `api`.
    fn start(folder: &Path, tls: &str) -> Program {
        fs::create_dir_all(folder.join("policies")).unwrap();
        fs::write(folder.join("policies/p.yaml"), POLICIES).unwrap();
        let api = format!("api:\n  tokens:\n{}{tls}", tokens(folder));
        let program = Program::start(folder, &spec(&api));
        program.wait_for("two plans", || (plans(&program).len() == 2).then_some(()));
        program
    }

    fn text(path: &Path) -> String {
        path.to_str().unwrap().to_owned()
    }

    fn plans(program: &Program) -> Vec<Value> {
        let (status, told) = ask(program, &["plan", "list", "-o", "json"]);
        assert_eq!(status, 0, "{told}");
        let listed: Value = serde_json::from_str(&told).unwrap();
        listed["plans"].as_array().unwrap().clone()
    }

    /// The id and hash of the plan of a policy.
    fn plan(program: &Program, policy: &str) -> (String, String) {
        let plans = plans(program);
        let found = plans.iter().find(|view| view["plan"]["policy"] == policy).unwrap();
        (found["plan"]["id"].as_str().unwrap().into(), found["hash"].as_str().unwrap().into())
    }

    /// A command through the socket.
    fn ask(program: &Program, arguments: &[&str]) -> (i32, String) {
        printed(&homeostat(&[arguments, &["--server", &program.socket()]].concat()))
    }

    /// A command over HTTP with somebody's token.
    fn ask_as(program: &Program, name: &str, arguments: &[&str]) -> (i32, String) {
        let token = text(&program.folder.join(name));
        printed(&homeostat(&[arguments, &["--server", &program.url(""), "--token-file", &token]].concat()))
    }

    /// The status and body of a raw request.
    fn raw(program: &Program, head: &str, token: Option<&str>, body: &str) -> (u16, Value) {
        let mut stream = TcpStream::connect(("127.0.0.1", program.port())).unwrap();
        let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let request = format!(
            "{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{token}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        // It may be refused before it has been sent as a whole.
        let _ = stream.write_all(request.as_bytes());
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status =
            answer.split(' ').nth(1).unwrap_or_else(|| panic!("no answer to {head}: {answer}")).parse().unwrap();
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, serde_json::from_str(body).unwrap_or(Value::Null))
    }

    #[test]
    fn a_plan_that_takes_two_is_carried_out_when_two_people_have_approved_of_what_they_saw() {
        let folder = scratch();
        let program = start(folder.path(), "");
        let (id, hash) = plan(&program, "two");

        let (status, told) = ask(&program, &["plan", "show", &id]);
        for part in [&id, &hash, "restart", "state == \"running\"", "0 of 2: nobody yet", "step 1", "waiting"] {
            assert!(status == 0 && told.contains(part), "no {part} in\n{told}");
        }
        // Of another plan than that nobody approves, and nobody without being asked.
        let (status, told) = ask_as(&program, "ann", &["plan", "approve", &id, "--hash", "0123456789abcdef"]);
        assert!(status == 1 && told.contains(&hash), "{told}");
        let (status, told) = ask_as(&program, "ann", &["plan", "approve", &id]);
        assert!(status == 2 && told.contains("--yes") && told.contains("--hash"), "{told}");
        assert_eq!(program.entries("voted").len(), 0);

        let (status, told) = ask_as(&program, "ann", &["plan", "approve", &id, "--yes"]);
        assert!(status == 0 && told.contains("1 of 2 have approved of it: ann"), "{told}");
        // One person counts once.
        let (status, told) = ask_as(&program, "ann", &["plan", "approve", &id, "--hash", &hash]);
        assert!(status == 0 && told.contains("1 of 2 have approved of it: ann"), "{told}");

        // While it is paused nothing begins, and that is said. What was approved of then begins when it goes on.
        let (status, told) = ask_as(&program, "max", &["pause"]);
        assert!(status == 0 && told.contains("paused"), "{told}");
        let (status, told) = ask_as(&program, "ben", &["plan", "approve", &id, "--hash", &hash]);
        assert!(
            status == 0 && told.contains("2 of 2 have approved of it: ann, ben") && told.contains("paused"),
            "{told}"
        );
        assert_eq!(ask(&program, &["resume"]).0, 0);
        program.wait_for("success", || {
            let view: Value = serde_json::from_str(&ask(&program, &["plan", "show", &id, "-o", "json"]).1).unwrap();
            (view["state"] == "succeeded").then(|| assert_eq!(view["steps"][0]["state"], "done"))
        });
        // It is over: nobody can say or do anything about it any more.
        for word in ["approve", "reject"] {
            let (status, told) = ask(&program, &["plan", word, &id, "--yes"]);
            assert!(status == 1 && told.contains("it is succeeded"), "{told}");
        }
        let (status, told) = ask(&program, &["plan", "cancel", &id]);
        assert!(status == 1 && told.contains("it is succeeded"), "{told}");

        // The other one is rejected by whoever runs this, and everything is on record with who it was.
        let (other, _) = plan(&program, "one");
        let (status, told) = ask(&program, &["plan", "reject", &other, "--yes"]);
        assert!(status == 0 && told.contains("cancelled"), "{told}");
        let voters: Vec<Value> = program.entries("voted").iter().map(|entry| entry["by"].clone()).collect();
        assert_eq!(voters[..3], [json!("ann"), json!("ann"), json!("ben")]);
        assert_eq!(program.entries("paused")[0]["by"], "max");
        let who = program.entries("resumed")[0]["by"].clone();
        assert!(who.is_string() && voters[3] == who, "{voters:?} {who}");
        let (status, told) = ask(&program, &["audit", "--kind", "paused,voted"]);
        assert!(status == 0 && told.contains("by max") && told.contains("ann approves of plan"), "{told}");
        // What files say and what it says itself is the same.
        let journal = text(&folder.path().join("journal"));
        let (_, files) = printed(&homeostat(&["audit", &journal, "--plan", &id, "-o", "json"]));
        let (_, asked) = ask(&program, &["audit", "--plan", &id, "-o", "json"]);
        let lines = |text: &str| text.lines().map(|line| serde_json::from_str(line).unwrap()).collect::<Vec<Value>>();
        assert!(!files.is_empty() && lines(&files) == lines(&asked), "{files}\n{asked}");
        let (status, documents) = ask(&program, &["audit", "--plan", &id, "-o", "yaml"]);
        assert_eq!(
            (status, serde_saphyr::from_multiple::<Value>(&documents).unwrap()),
            (0, lines(&files)),
            "{documents}"
        );
        for question in
            [&["plan", "show", &id][..], &["plan", "list", "--state", "all"], &["status"], &["explain", "vm/db-1"]]
        {
            let said = |output| ask(&program, &[question, &["-o", output]].concat()).1;
            // The time goes on.
            let timeless = |mut answer: Value| {
                answer.as_object_mut().map(|fields| fields.remove("now"));
                answer
            };
            let yaml: Value = serde_saphyr::from_str(&said("yaml")).unwrap();
            let json: Value = serde_json::from_str(&said("json")).unwrap();
            assert_eq!(timeless(yaml), timeless(json), "{question:?}");
        }

        // A replay decides the same, people's commands included.
        let decided = fs::read_to_string(folder.path().join("decisions.jsonl")).unwrap();
        program.stop();
        let (recording, again) =
            (text(&folder.path().join("recording.jsonl")), text(&folder.path().join("again.jsonl")));
        let (status, told) = printed(&homeostat(&["backtest", "--input", &recording, "--decisions", &again]));
        assert_eq!(status, 0, "{told}");
        assert!(fs::read_to_string(&again).unwrap().starts_with(&decided), "{told}");
        let (status, told) = printed(&homeostat(&[
            "status",
            "--server",
            &format!("unix:{}/journal/homeostat.sock", folder.path().display()),
        ]));
        assert!(status == 2 && told.contains("not running") && told.contains("homeostat run"), "{told}");
    }

    #[test]
    fn a_waiting_plan_is_called_off_by_whoever_may_and_homeostat_goes_on() {
        let folder = scratch();
        let program = start(folder.path(), "");
        let (first, second) = (plan(&program, "two").0, plan(&program, "one").0);
        let (status, told) = ask(&program, &["plan", "cancel", &first]);
        assert!(status == 0 && told.contains(&format!("plan {first}: it is called off; it is cancelled")), "{told}");
        let (status, told) = ask_as(&program, "max", &["plan", "cancel", &second, "-o", "json"]);
        let view: Value = serde_json::from_str(&told).unwrap();
        assert_eq!((status, &view["state"], &view["plan"]["id"]), (0, &json!("cancelled"), &json!(second)));
        assert!(plans(&program).is_empty(), "nothing waits any more");

        // It goes on: what else comes up is made a plan of, and that is carried out.
        let third = POLICIES.split("---\n").next().unwrap().replace("name: two", "name: third");
        let third = third.replace("web-1", "wiki-1").replace("mode: approve", "mode: auto");
        program.write_policy("third.yaml", &third.replace("  approval: {quorum: 2}\n", ""));
        program.wait_for("success of another plan", || (program.entries("planFinished").len() == 3).then_some(()));
        assert_eq!(ask(&program, &["pause"]).0, 0);
        let user = program.entries("paused")[0]["by"].as_str().unwrap().to_owned();
        let finished = program.entries("planFinished");
        for (plan, finished, by) in [(&first, &finished[0], user.as_str()), (&second, &finished[1], "max")] {
            let result = json!({"cancelled": {"reason": format!("cancelled by {by}")}});
            assert_eq!((&finished["plan"], &finished["result"]), (&json!(plan), &result));
            let (status, told) = ask(&program, &["audit", "--plan", plan]);
            assert!(status == 0 && told.contains(&format!("cancelled by {by}")), "{told}");
        }
        assert_eq!(finished[2]["result"], "succeeded");
        // Nothing of them was begun, and they are not made again.
        let begun = program.entries("stepDispatched");
        assert!(begun.iter().all(|step| step["plan"] == finished[2]["plan"]), "{begun:?}");
        assert_eq!(program.entries("planMade").len(), 3);
        program.stop();
    }

    #[test]
    fn a_resource_in_quarantine_is_released_by_whoever_may_and_policies_act_on_it_again() {
        let policy = |name: &str, vm: &str, mode: &str| {
            format!(
                "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {{name: {name}-{vm}}}\nspec:\n  \
                 select: {{kind: vm, name: {vm}}}\n  when: capacity.vcpus > 0\n  mode: {mode}\n  cooldown: 1m\n  then: [restart]\n---\n"
            )
        };
        let folder = scratch();
        fs::create_dir_all(folder.path().join("policies")).unwrap();
        let vms = ["wiki-1", "mail-1"];
        // A restart takes no processor away, so that these have tried everything in vain a minute later.
        fs::write(folder.path().join("policies/p.yaml"), vms.map(|vm| policy("vain", vm, "auto")).concat()).unwrap();
        let api = format!("speed: 20\napi:\n  tokens:\n{}", tokens(folder.path()));
        let program = Program::start(folder.path(), &spec(&api));
        program.wait_for("quarantine", || (program.entries("resourceQuarantined").len() == 2).then_some(()));
        let (_, told) = ask(&program, &["status"]);
        assert!(told.contains("quarantine vm/mail-1, vm/wiki-1"), "{told}");
        program.write_policy("later.yaml", &vms.map(|vm| policy("later", vm, "approve")).concat());
        program.wait_for("what is held back", || {
            let held = program.entries("held");
            let quarantined = held.iter().filter(|held| held["hold"].to_string().contains("quarantined"));
            (quarantined.count() >= 2).then_some(())
        });
        let made = |vm: &str| {
            let policy = format!("later-{vm}");
            program.entries("planMade").into_iter().find(|plan| plan["policy"] == policy).map(drop)
        };

        let (status, told) = ask(&program, &["release", "vm/wiki-1"]);
        assert!(status == 0 && told.contains("quarantine vm/mail-1\n"), "{told}");
        program.wait_for("a plan for what was released", || made("wiki-1"));
        assert!(made("mail-1").is_none(), "the other one is left alone");
        let (status, told) = ask_as(&program, "max", &["release", "vm/mail-1"]);
        assert!(status == 0 && !told.contains("quarantine vm/"), "{told}");
        program.wait_for("a plan for the other one", || made("mail-1"));
        assert_eq!(ask(&program, &["pause"]).0, 0);
        let user = program.entries("paused")[0]["by"].clone();
        let released = program.entries("resourceReleased");
        for (released, vm, by) in
            [(&released[0], "vm/wiki-1", user.as_str().unwrap()), (&released[1], "vm/mail-1", "max")]
        {
            assert_eq!(*released, json!({"resource": vm, "reason": format!("{by} has released it")}));
        }
        program.stop();
    }

    #[test]
    fn each_role_may_do_what_it_may_and_a_viewer_changes_nothing() {
        let folder = scratch();
        let program = start(folder.path(), "");
        let (id, hash) = plan(&program, "two");
        let body = format!("{{\"hash\": \"{hash}\"}}");
        // The least role, and what to send.
        let routes: [(&str, String, usize, &str); 12] = [
            ("view", "GET /api/v1/status".into(), 0, ""),
            ("view", "GET /api/v1/plans".into(), 0, ""),
            ("view", format!("GET /api/v1/plans/{id}"), 0, ""),
            ("view", "GET /api/v1/explain/vm/web-1".into(), 0, ""),
            ("view", "GET /api/v1/audit".into(), 0, ""),
            ("approve", format!("POST /api/v1/plans/{id}/approve"), 1, &body),
            ("approve", format!("POST /api/v1/plans/{id}/reject"), 1, &body),
            ("admin", format!("POST /api/v1/plans/{id}/cancel"), 2, ""),
            ("admin", "POST /api/v1/pause".into(), 2, ""),
            ("admin", "POST /api/v1/resume".into(), 2, ""),
            ("admin", "POST /api/v1/release/vm/web-1".into(), 2, ""),
            ("admin", "POST /api/v1/plans/p9-9/cancel".into(), 2, ""),
        ];
        let token = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap().trim().to_owned();
        let (before, told) = (plans(&program), program.decisions());
        for (least, route, role, body) in &routes {
            let shown = |token: Option<&str>| raw(&program, route, token, body).0;
            assert_eq!((shown(None), shown(Some("hst_wrong")), shown(Some(""))), (401, 401, 401), "{route}");
            let viewer = shown(Some(&token("eve")));
            assert_eq!(viewer == 403, *role > 0, "{route} takes {least}, a viewer got {viewer}");
            assert!(viewer == 200 || *role > 0, "{route}: {viewer}");
        }
        for (_, route, _, _) in routes.iter().filter(|(_, route, ..)| route.starts_with("GET")) {
            let (status, _) = raw(&program, &route.replace("GET", "POST"), Some(&token("eve")), "");
            assert_eq!(status, 405, "{route}");
        }
        assert_eq!((plans(&program), program.decisions()), (before, told), "a viewer has changed something");

        for (least, route, role, body) in &routes {
            let status = raw(&program, route, Some(&token("ann")), body).0;
            assert_eq!(status == 403, *role > 1, "{route} takes {least}, who may approve got {status}");
        }
        for (_, route, _, body) in &routes {
            let status = raw(&program, route, Some(&token("max")), body).0;
            assert!(matches!(status, 200 | 404 | 409), "{route}: an admin got {status}");
        }
        // Health and metrics are for machines.
        for path in ["/healthz", "/readyz", "/metrics"] {
            assert_eq!(program.get(path).unwrap().0, 200);
        }
        let (status, told) = ask_as(&program, "eve", &["pause"]);
        assert!(status == 2 && told.contains("eve has the role view, and this takes admin"), "{told}");
    }

    #[test]
    fn who_sends_too_much_or_too_slowly_is_told_so_and_holds_nobody_up() {
        let folder = scratch();
        let program = start(folder.path(), "");
        let (id, _) = plan(&program, "two");
        let token = fs::read_to_string(folder.path().join("ann")).unwrap();
        let token = token.trim();
        let approve = format!("POST /api/v1/plans/{id}/approve");
        let mut slow = TcpStream::connect(("127.0.0.1", program.port())).unwrap();
        let head =
            format!("{approve} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Length: 30\r\n\r\n{{");
        slow.write_all(head.as_bytes()).unwrap();
        let began = Instant::now();

        let (status, told) = raw(&program, &approve, Some(token), &"x".repeat(20_000));
        assert!(status == 413 && told["error"].as_str().unwrap().contains("longer than"), "{told}");
        for (head, status) in
            [("GET /api/v2/plans", 404), ("GET /", 404), ("PUT /api/v1/plans", 405), ("PUT /metrics", 405)]
        {
            let (got, told) = raw(&program, head, Some(token), "");
            assert!(got == status && told["error"].is_string() && told["help"].is_string(), "{head}: {got} {told}");
        }
        let admin = fs::read_to_string(folder.path().join("max")).unwrap();
        let cancel = format!("POST /api/v1/plans/{id}/cancel");
        let (status, told) = raw(&program, &cancel, Some(admin.trim()), "{\"hash\": \"0123456789abcdef\"}");
        assert!(status == 409 && told["error"].as_str().unwrap().contains("not that of this plan"), "{status} {told}");
        for (body, part) in [("", "hash"), ("[", "cannot be read"), ("{\"hush\": 1}", "hush")] {
            let (status, told) = raw(&program, &approve, Some(token), body);
            assert!(status == 400 && told["error"].as_str().unwrap().contains(part), "{body}: {told}");
        }
        for (path, status, part) in [
            ("/api/v1/plans?state=foo", 400, "in-doubt"),
            ("/api/v1/plans/p9", 400, "plan list"),
            ("/api/v1/plans/p1-99", 404, "nearest one is p1-2"),
            ("/api/v1/explain/vm", 400, "kind/name"),
            ("/api/v1/explain/vm/none", 404, "kind/name"),
            ("/api/v1/audit?since=soon", 400, "2h"),
            ("/api/v1/audit?limti=1", 400, "since, until, limit"),
            ("/api/v1/audit?limit=x", 400, "write a number"),
            ("/api/v1/plans?limit=1&limit=2", 400, "give it once"),
            ("/api/v1/plans/%ff", 400, "names are ASCII"),
        ] {
            let (got, told) = raw(&program, &format!("GET {path}"), Some(token), "");
            assert!(got == status && told["help"].as_str().unwrap().contains(part), "{path}: {got} {told}");
        }
        let (_, told) = raw(&program, "GET /api/v1/audit?limit=1", Some(token), "");
        assert_eq!(told["records"].as_array().unwrap().len(), 1, "{told}");
        assert!(told["leftOut"].as_u64().unwrap() > 0, "{told}");

        let mut answer = String::new();
        slow.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        slow.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert!(began.elapsed() >= Duration::from_secs(9), "{:?}", began.elapsed());
        assert_eq!(program.entries("voted").len(), 0);
    }

    #[test]
    fn what_is_left_out_of_a_list_of_plans_is_said() {
        let folder = scratch();
        let program = start(folder.path(), "");
        let (_, told) = ask(&program, &["plan", "list", "--limit", "1"]);
        assert!(told.contains("1 older plans are not shown"), "{told}");
        let (_, told) = ask(&program, &["plan", "list", "--limit", "1", "-o", "json"]);
        let listed: Value = serde_json::from_str(&told).unwrap();
        assert_eq!((listed["plans"].as_array().unwrap().len(), &listed["leftOut"]), (1, &json!(1)));
        let (_, told) = ask(&program, &["plan", "list"]);
        assert!(!told.contains("not shown"), "{told}");
    }

    #[test]
    fn a_homeostat_is_paused_and_read_whatever_has_become_of_its_configuration() {
        let folder = scratch();
        let _program = start(folder.path(), "");
        let file = folder.path().join("homeostat.yaml");
        let good = fs::read_to_string(&file).unwrap();
        fs::write(
            &file,
            format!("{good}  speeed: 3\n  notifications: [{{cloudEvents: {{url: 'http://h', token: {{env: NOT_SET_ANYWHERE}}}}}}]\n"),
        )
        .unwrap();
        assert_eq!(printed(&homeostat_in(folder.path(), &["check", "."])).0, 1, "it is wrong in two ways");
        for (arguments, part) in [
            (&["pause"][..], "paused"),
            (&["plan", "list"], "waiting"),
            (&["status"], "paused"),
            (&["explain", "vm/web-1"], "two"),
            (&["audit", "--kind", "paused"], "paused"),
        ] {
            let (status, told) = printed(&homeostat_in(folder.path(), arguments));
            assert!(status == 0 && told.contains(part), "{arguments:?}: {status}\n{told}");
        }
        fs::write(&file, "kind: [").unwrap();
        let (status, told) = printed(&homeostat_in(folder.path(), &["pause"]));
        assert!(status == 2 && told.contains("--server"), "{told}");
    }

    #[test]
    fn the_audit_is_asked_of_whom_the_variable_says_unless_files_are_meant() {
        let folder = scratch();
        let program = start(folder.path(), "");
        let audit = |server: &str, more: &[&str]| {
            let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_homeostat"));
            command.current_dir(folder.path()).env("HOMEOSTAT_SERVER", server).arg("audit").args(more);
            printed(&command.output().unwrap())
        };
        let (status, told) = audit(&program.socket(), &["--kind", "planMade"]);
        assert!(status == 0 && told.contains("vm/web-1"), "{told}");
        let nowhere = "unix:/nowhere/homeostat.sock";
        let (status, told) = audit(nowhere, &[]);
        assert!(status == 2 && told.contains("/nowhere/homeostat.sock"), "{told}");
        for files in [&["journal"][..], &["--verify"], &["-c", "homeostat.yaml"]] {
            let (status, told) = audit(nowhere, files);
            assert_eq!(status, 0, "{files:?}: {told}");
        }
    }

    #[test]
    fn explain_answers_for_every_policy_that_is_loaded() {
        let folder = scratch();
        let program = start(folder.path(), "");
        let (status, told) = ask(&program, &["explain", "vm/web-1", "-o", "json"]);
        let answer: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(status, 0);
        assert_eq!(answer["explanations"][0]["policy"], "two");
        assert_eq!(answer["explanations"][0]["status"], "held-back");
        assert_eq!(answer["others"][0]["policy"], "one");
        assert_eq!(answer["others"][0]["because"], "it is for vm/db-1");
        let (_, told) = ask(&program, &["explain", "vm/web-1"]);
        assert!(told.contains("one  not for it   it is for vm/db-1"), "{told}");
        let (_, told) = ask(&program, &["explain", "vm/web-1", "-o", "yaml"]);
        assert!(told.contains("policy: two"), "{told}");
    }

    #[test]
    fn without_tokens_nobody_is_heard_over_http_and_a_live_socket_is_not_taken() {
        let folder = scratch();
        let program = Program::start(folder.path(), &spec(""));
        let (status, told) = raw(&program, "GET /api/v1/plans", Some("hst_any"), "");
        assert!(status == 403 && told["help"].as_str().unwrap().contains("homeostat token create"), "{told}");
        let socket = folder.path().join("journal/homeostat.sock");
        assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);

        let second = scratch();
        let configuration = format!(
            "apiVersion: homeostat.dev/v1alpha1\nkind: Configuration\nspec:\n  listen: 127.0.0.1:0\n  socket: {}\n  {}",
            socket.display(),
            spec("").trim_end().replace('\n', "\n  ")
        );
        fs::write(second.path().join("homeostat.yaml"), configuration).unwrap();
        let (status, told) = printed(&homeostat(&["run", &text(second.path())]));
        assert!(status == 2 && told.contains("another homeostat listens on"), "{told}");
        assert_eq!(ask(&program, &["status"]).0, 0, "the first one has to go on");

        // One that was killed leaves its socket behind, and the next one takes its place.
        program.kill();
        assert!(socket.exists());
        let program = Program::start(folder.path(), &spec(""));
        assert_eq!(ask(&program, &["status"]).0, 0);
        program.stop();
        assert!(!socket.exists());
    }

    #[test]
    fn a_token_that_others_may_read_is_not_used() {
        let folder = scratch();
        let file = folder.path().join("token");
        for (content, mode, part) in [
            ("hst_a", 0o644, "chmod 600"),
            ("hst_a", 0o640, "chmod 600"),
            ("", 0o600, "no token"),
            ("a b", 0o600, "no token"),
        ] {
            fs::write(&file, content).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            let (status, told) =
                printed(&homeostat(&["status", "--server", "http://127.0.0.1:1", "--token-file", &text(&file)]));
            assert!(status == 2 && told.contains(part), "{mode:o}: {told}");
        }
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_homeostat"));
        command.args(["status", "--server", "http://127.0.0.1:1"]).env("HOMEOSTAT_TOKEN", "hst_a\nhst_b");
        let (status, told) = printed(&command.output().unwrap());
        assert!(status == 2 && told.contains("HOMEOSTAT_TOKEN holds no token"), "{told}");
        let create = ["token", "create", "--name", "ann", "--role", "view", "--token-file", &text(&file)];
        assert_eq!(printed(&homeostat(&create)).0, 2, "a file that is there is not written over");
        assert_eq!(printed(&homeostat(&["token", "create", "--name", " ", "--role", "view"])).0, 2);
    }

    fn certificate(folder: &Path) -> PathBuf {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap();
        fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        fs::write(folder.join("certificate.pem"), made.cert.pem()).unwrap();
        folder.join("certificate.pem")
    }

    #[test]
    fn the_certificate_of_an_authority_is_refused_before_clients_refuse_it() {
        let folder = scratch();
        let write = |extend: fn(&mut rcgen::CertificateParams)| {
            let mut params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
            extend(&mut params);
            let key = rcgen::KeyPair::generate().unwrap();
            fs::write(folder.path().join("certificate.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
            fs::write(folder.path().join("key.pem"), key.serialize_pem()).unwrap();
        };
        let api = format!(
            "api:\n  tokens:\n{}  tls: {{certificate: certificate.pem, key: key.pem}}\n",
            tokens(folder.path())
        );
        let spec: String = spec(&api).lines().map(|line| format!("  {line}\n")).collect();
        let head = "apiVersion: homeostat.dev/v1alpha1\nkind: Configuration\nspec:\n  policies: [policies]\n";
        fs::create_dir(folder.path().join("policies")).unwrap();
        fs::write(folder.path().join("policies/p.yaml"), POLICIES).unwrap();
        fs::write(folder.path().join("homeostat.yaml"), format!("{head}{spec}")).unwrap();
        let check = || printed(&homeostat(&["check", &text(&folder.path().join("homeostat.yaml"))]));

        write(|params| params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained));
        let (status, told) = check();
        for part in ["certificate.pem", "CA:TRUE", "basicConstraints=critical,CA:FALSE"] {
            assert!(status == 1 && told.split_whitespace().collect::<String>().contains(part), "{part}: {told}");
        }
        write(|params| params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth]);
        let (status, told) = check();
        assert!(status == 1 && told.contains("serverAuth"), "{told}");
        write(|params| params.is_ca = rcgen::IsCa::ExplicitNoCa);
        assert_eq!(check().0, 0, "{}", check().1);
    }

    #[test]
    fn over_tls_a_certificate_is_trusted_or_not_and_may_be_replaced() {
        let folder = scratch();
        let file = certificate(folder.path());
        let first = folder.path().join("first.pem");
        fs::copy(&file, &first).unwrap();
        let program = start(folder.path(), "  tls: {certificate: certificate.pem, key: key.pem}\n");
        let server = format!("https://localhost:{}", program.port());
        let ask = |ca: &Path| {
            let token = text(&folder.path().join("eve"));
            printed(&homeostat(&["status", "--server", &server, "--ca", &text(ca), "--token-file", &token]))
        };
        let (status, told) = ask(&file);
        assert_eq!(status, 0, "{told}");
        let token = text(&folder.path().join("eve"));
        let (status, told) = printed(&homeostat(&["status", "--server", &server, "--token-file", &token]));
        assert!(status == 2 && told.contains("cannot trust") && told.contains("--ca"), "{told}");
        let (status, told) = printed(&homeostat(&["status", "--server", &program.url(""), "--token-file", &token]));
        assert!(status == 2 && told.contains("write https://127.0.0.1"), "it speaks TLS only: {told}");

        certificate(folder.path());
        program.hang_up();
        program.wait_for("the other certificate", || (ask(&file).0 == 0).then_some(()));
        assert_eq!(ask(&first).0, 2, "the certificate from before is shown no more");
    }
}
