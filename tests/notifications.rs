//! People are told, whatever becomes of who tells them: receivers that fail, hang and come back, a daemon that is killed.

#[cfg(test)]
mod program;
#[cfg(test)]
mod testbed;

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::{BufRead, BufReader, Read, Write},
        net::{SocketAddr, TcpListener, TcpStream},
        path::Path,
        sync::{
            Arc, Mutex,
            atomic::{AtomicBool, Ordering},
        },
        time::Duration,
    };

    use serde_json::Value;

    use crate::{
        program::{PATIENCE, Program, homeostat, printed, root, scratch},
        testbed::{Alertmanager, wait_for},
    };

    const LINE: &str = "{\"resource\":\"vm/a\",\"metrics\":{\"cpu\":VALUE}}\n";
    /// Tells of every virtual machine that is hot.
    const HOT: &str = "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {name: hot}\nspec:\n  select: {kind: vm}\n  \
                       when: last(\"cpu\") > 0.9\n  staleAfter: 1h\n  then: [{notify: {message: \"${resource} is hot\"TO}}]\n";

    /// A receiver on a thread of its own. What it does not want, it refuses, or it hangs.
    struct Receiver {
        address: SocketAddr,
        bodies: Arc<Mutex<Vec<Value>>>,
        hangs: Arc<AtomicBool>,
        refuses: Arc<AtomicBool>,
    }

    impl Receiver {
        fn start() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let receiver = Self { address, bodies: Arc::default(), hangs: Arc::default(), refuses: Arc::default() };
            let (bodies, hangs, refuses) = (receiver.bodies.clone(), receiver.hangs.clone(), receiver.refuses.clone());
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    let (bodies, hangs, refuses) = (bodies.clone(), hangs.clone(), refuses.clone());
                    std::thread::spawn(move || serve(stream.unwrap(), &bodies, &hangs, &refuses));
                }
            });
            receiver
        }

        fn url(&self) -> String {
            format!("http://{}/", self.address)
        }

        fn bodies(&self) -> Vec<Value> {
            self.bodies.lock().unwrap().clone()
        }

        fn ids(&self) -> Vec<String> {
            self.bodies().iter().map(|body| body["id"].as_str().unwrap().to_owned()).collect()
        }
    }

    /// Serves one request; the connection is closed after it.
    fn serve(stream: TcpStream, bodies: &Mutex<Vec<Value>>, hangs: &AtomicBool, refuses: &AtomicBool) -> Option<()> {
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        bodies.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
        while hangs.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let status = if refuses.load(Ordering::Relaxed) { "503 Not Now" } else { "204 No Content" };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        reader.get_mut().write_all(answer.as_bytes()).ok()
    }

    fn spec(notifications: &str) -> String {
        format!(
            "metrics: [{{name: cpu}}]\nsources: [{{jsonLines: {{path: lines.jsonl, follow: true}}}}]\nnotifications: [{notifications}]"
        )
    }

    fn prepare(folder: &Path, to: &str) {
        fs::create_dir_all(folder.join("policies")).unwrap();
        fs::write(folder.join("policies/hot.yaml"), HOT.replace("TO", to)).unwrap();
        fs::write(folder.join("lines.jsonl"), "").unwrap();
    }

    fn add(folder: &Path, vm: &str, value: f64) {
        let line = LINE.replace("VALUE", &value.to_string()).replace("vm/a", vm);
        let mut file = fs::File::options().append(true).open(folder.join("lines.jsonl")).unwrap();
        file.write_all(line.as_bytes()).unwrap();
    }

    #[test]
    fn what_was_decided_before_a_crash_is_told_after_it_under_the_same_id() {
        let folder = scratch();
        prepare(folder.path(), "");
        let receiver = Receiver::start();
        let spec = spec(&format!("{{cloudEvents: {{name: pager, url: '{}'}}}}", receiver.url()));
        receiver.hangs.store(true, Ordering::Relaxed);
        let program = Program::start(folder.path(), &spec);
        add(folder.path(), "vm/a", 0.95);
        program.wait_for("request", || (receiver.ids().len() == 1).then_some(()));
        // It is decided and durable; the receiver has it, but has never said so.
        let notice = program.entries("notified")[0]["id"].as_str().unwrap().to_owned();
        assert_eq!(program.entries("delivered").len(), 0);
        program.kill();
        receiver.hangs.store(false, Ordering::Relaxed);
        let program = Program::start(folder.path(), &spec);
        program.wait_for("delivery", || {
            program.entries("delivered").into_iter().find(|one| one["notification"] == notice)
        });
        let ids = receiver.ids();
        assert!(ids.len() >= 2 && ids[0].starts_with(&format!("{notice}.")) && ids[1] == ids[0], "{ids:?}");
        // The same receiver was told once more only: what is delivered is not told again by the next start.
        let told = receiver.ids().iter().filter(|id| **id == ids[0]).count();
        program.kill();
        let program = Program::start(folder.path(), &spec);
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(receiver.ids().iter().filter(|id| **id == ids[0]).count(), told);
        program.stop();
    }

    #[test]
    fn while_a_receiver_is_down_everything_waits_and_others_are_told() {
        let folder = scratch();
        prepare(folder.path(), "");
        let (down, up) = (Receiver::start(), Receiver::start());
        down.refuses.store(true, Ordering::Relaxed);
        let tell = folder.path().join("tell.sh");
        fs::write(
            &tell,
            "#!/bin/sh\ncat >> told\necho >> told\n".replace("told", &folder.path().join("told").display().to_string()),
        )
        .unwrap();
        fs::set_permissions(&tell, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let spec = spec(&format!(
            "{{cloudEvents: {{name: down, url: '{}'}}}}, {{cloudEvents: {{name: up, url: '{}'}}}}, \
             {{cloudEvents: {{name: calm, url: '{}', minSeverity: critical}}}}, {{command: {{name: shell, argv: [./tell.sh]}}}}",
            down.url(),
            up.url(),
            up.url(),
        ));
        let program = Program::start(folder.path(), &spec);
        let vms = ["vm/a", "vm/b", "vm/c"];
        vms.iter().for_each(|vm| add(folder.path(), vm, 0.95));
        program.wait_for("three at the other one", || (up.ids().len() == 3).then_some(()));
        program.wait_for("three by command", || {
            let told = fs::read_to_string(folder.path().join("told")).unwrap_or_default();
            (told.matches("is hot").count() == 3).then_some(())
        });
        program.wait_for("failures", || {
            (program.metric("homeostat_notifications_total{channel=\"down\",result=\"failed\"}") >= 3.0).then_some(())
        });
        assert_eq!(program.metric("homeostat_notifications_waiting{channel=\"down\"}"), 3.0);
        down.refuses.store(false, Ordering::Relaxed);
        program.wait_for("three deliveries", || {
            (program.metric("homeostat_notifications_total{channel=\"down\",result=\"delivered\"}") == 3.0)
                .then_some(())
        });
        assert_eq!(program.metric("homeostat_notifications_waiting{channel=\"down\"}"), 0.0);
        let mut ids = down.ids();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 3, "each again under its own id");
        program.wait_for("nine records", || (program.entries("delivered").len() == 9).then_some(()));
        // What the recording says is decided again just so, deliveries included.
        let decisions = fs::read(folder.path().join("decisions.jsonl")).unwrap();
        program.stop();
        let again = folder.path().join("again.jsonl");
        let recording = folder.path().join("recording.jsonl");
        let (status, said) = printed(&homeostat(&[
            "backtest",
            "--input",
            recording.to_str().unwrap(),
            "--decisions",
            again.to_str().unwrap(),
        ]));
        assert_eq!(status, 0, "{said}");
        assert!(fs::read(again).unwrap().starts_with(&decisions));
    }

    #[test]
    fn a_policy_names_its_channels_and_one_that_is_not_there_is_an_error() {
        let folder = scratch();
        prepare(folder.path(), ", to: [chat]");
        let (pager, chat) = (Receiver::start(), Receiver::start());
        let both = format!(
            "{{cloudEvents: {{name: pager, url: '{}'}}}}, {{cloudEvents: {{name: chat, url: '{}', minSeverity: critical}}}}",
            pager.url(),
            chat.url()
        );
        let program = Program::start(folder.path(), &spec(&both));
        add(folder.path(), "vm/a", 0.95);
        program.wait_for("chat", || (chat.ids().len() == 1).then_some(()));
        assert!(pager.ids().is_empty());
        // A channel that is taken out while a policy names it is refused, and nothing changes.
        let file = folder.path().join("homeostat.yaml");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replace("name: chat", "name: chta")).unwrap();
        program.wait_for("refusal", || program.log().contains("is not a channel").then_some(()));
        assert!(program.log().contains("did you mean `chta`?"), "{}", program.log());
        // A channel that changes goes on with what waits.
        chat.refuses.store(true, Ordering::Relaxed);
        fs::write(&file, &text).unwrap();
        program.hang_up();
        add(folder.path(), "vm/b", 0.95);
        program.wait_for("refused request", || (chat.ids().len() >= 2).then_some(()));
        fs::write(&file, text.replace(&chat.url(), &pager.url())).unwrap();
        program.wait_for("what waited at the new address", || {
            pager.bodies().iter().find(|body| body["subject"] == "vm/b").map(|_| ())
        });
        program.stop();
    }

    #[test]
    fn the_end_of_a_ladder_is_told_through_the_channels_that_it_names_and_no_other() {
        const ENDS: &str = "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {name: vain}\nspec:\n  \
            select: {kind: vm, name: web-1}\n  when: capacity.vcpus > 0\n  cooldown: 1h\n  \
            handOver: {to: [hook, shell], severity: info}\n  then: [resize: {vcpus: +1000}]\n";
        let folder = scratch();
        fs::create_dir_all(folder.path().join("policies")).unwrap();
        fs::write(folder.path().join("policies/vain.yaml"), ENDS).unwrap();
        let (hook, other, told) = (Receiver::start(), Receiver::start(), folder.path().join("told"));
        let tell = r#"(cat; echo; echo "$HOMEOSTAT_SEVERITY $HOMEOSTAT_POLICY $HOMEOSTAT_RESOURCE") >> "#;
        // What is named is told, however little is urgent to it; what is not is not, however much.
        let spec = format!(
            "adapters: [{{datacentre: {{scenario: {}}}}}]\nnotifications:\n  \
             - cloudEvents: {{name: hook, url: '{}', minSeverity: critical}}\n  \
             - cloudEvents: {{name: other, url: '{}', minSeverity: info}}\n  \
             - command: {{name: shell, argv: [/bin/sh, -c, '{tell}{}']}}",
            root().join("examples/datacenter/datacenter.yaml").display(),
            hook.url(),
            other.url(),
            told.display()
        );
        let program = Program::start(folder.path(), &spec);
        program.wait_for("both deliveries", || (program.entries("delivered").len() == 2).then_some(()));
        let reason = program.entries("handedOver").remove(0)["reason"].as_str().unwrap().to_owned();
        let message = format!("a person has to go on with vm/web-1: {reason}");
        let event = hook.bodies().remove(0);
        for (field, value) in
            [("policy", "vain"), ("resource", "vm/web-1"), ("severity", "info"), ("message", &message)]
        {
            assert_eq!(event["data"][field], value, "{event}");
        }
        let said = fs::read_to_string(&told).unwrap();
        let (input, variables) = said.trim_end().rsplit_once('\n').unwrap();
        assert_eq!(serde_json::from_str::<Value>(input).unwrap(), event["data"]);
        assert_eq!(variables, "info vain vm/web-1");

        // The other one would have been heard: it is told of the first that names it.
        let later = ENDS.replace("name: vain", "name: later").replace("[hook, shell]", "[other]");
        program.write_policy("later.yaml", &later);
        program.wait_for("the other one", || (!other.bodies().is_empty()).then_some(()));
        program.stop();
        let policies: Vec<Value> = other.bodies().iter().map(|body| body["data"]["policy"].clone()).collect();
        assert_eq!(policies, ["later"]);
        let mut heard = hook.ids();
        heard.dedup();
        assert_eq!((heard.len(), fs::read_to_string(&told).unwrap()), (1, said), "they are told once");
    }

    #[test]
    fn what_is_being_delivered_at_the_end_arrives_and_is_not_delivered_again() {
        let folder = scratch();
        prepare(folder.path(), "");
        let hook = "echo begun >> begun; sleep 0.6; echo done >> done";
        let at = folder.path().display();
        let spec = spec(&format!("{{command: {{name: hook, argv: [/bin/sh, -c, 'cd {at}; {hook}']}}}}"));
        let program = Program::start(folder.path(), &spec);
        add(folder.path(), "vm/a", 0.95);
        program.wait_for("the hook", || folder.path().join("begun").exists().then_some(()));
        program.stop();
        let lines = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap_or_default().lines().count();
        assert_eq!((lines("begun"), lines("done")), (1, 1), "it was killed");
        let program = Program::start(folder.path(), &spec);
        std::thread::sleep(Duration::from_secs(1));
        program.stop();
        assert_eq!((lines("begun"), lines("done")), (1, 1), "it was run again");
    }

    /// The alerts that a receiver was sent as an Alertmanager, each with whether it was open when it was sent, or nearly.
    fn alerts(receiver: &Receiver) -> Vec<(Value, bool)> {
        let all = receiver.bodies().into_iter().flat_map(|body| body.as_array().cloned().unwrap_or_default());
        let ends = |alert: &Value| alert["endsAt"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        let open = |alert: &Value| ends(alert) > jiff::Timestamp::now();
        all.map(|alert| (alert.clone(), open(&alert))).collect()
    }

    #[test]
    fn an_alert_outlasts_homeostat_and_ends_when_its_finding_is_over() {
        let folder = scratch();
        prepare(folder.path(), "");
        let receiver = Receiver::start();
        // Posted so seldom that what is posted soon after a start is posted because of it; open for an hour then.
        let spec = spec(&format!("{{alertmanager: {{url: '{}', resendEvery: 15m, keepFor: 1s}}}}", receiver.url()));
        let program = Program::start(folder.path(), &spec);
        ["vm/a", "vm/b"].iter().for_each(|vm| add(folder.path(), vm, 0.95));
        program.wait_for("deliveries", || (program.entries("delivered").len() == 2).then_some(()));
        let first = alerts(&receiver);
        assert!(first.len() == 2 && first.iter().all(|(_, open)| *open), "{first:?}");
        program.kill();

        // One is still hot: nobody is told anew, and its alert goes on. The other one has cooled down meanwhile.
        fs::write(folder.path().join("lines.jsonl"), "").unwrap();
        add(folder.path(), "vm/b", 0.1);
        let program = Program::start(folder.path(), &spec);
        program.wait_for("both alerts", || (alerts(&receiver).len() >= 4).then_some(()));
        let mut again = alerts(&receiver)[2..].to_vec();
        again.sort_by_key(|(alert, _)| alert["labels"]["resource"].to_string());
        for (vm, (alert, open)) in ["vm/a", "vm/b"].iter().zip(&again) {
            let before = first.iter().find(|(alert, _)| alert["labels"]["resource"] == *vm).unwrap();
            assert!(*open && alert["startsAt"] == before.0["startsAt"], "{alert}");
            assert_eq!(alert["annotations"], before.0["annotations"]);
        }
        add(folder.path(), "vm/a", 0.96);
        let ended = |vm: &str| {
            let of = |alert: &Value| alert["labels"]["resource"] == vm;
            alerts(&receiver).into_iter().find(|(alert, open)| of(alert) && !open).map(drop)
        };
        program.wait_for("the end of what has cooled down", || ended("vm/b"));
        assert!(ended("vm/a").is_none() && program.entries("notified").is_empty());
        assert_eq!(program.entries("findingOpened").len(), 1);
        let closed = program.entries("findingClosed");
        assert!(closed.len() == 1 && closed[0].to_string().contains("is false"), "{closed:?}");
        add(folder.path(), "vm/a", 0.1);
        program.wait_for("the end of the other one", || ended("vm/a"));
        program.stop();
        // What is over is not posted by a next start.
        let count = alerts(&receiver).len();
        let program = Program::start(folder.path(), &spec);
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(alerts(&receiver).len(), count);
        program.stop();
    }

    /// An Alertmanager forgets what it is not told of again before its `endsAt`.
    #[test]
    fn an_open_alert_is_renewed_before_it_ends_also_after_a_restart() {
        let folder = scratch();
        prepare(folder.path(), "");
        let receiver = Receiver::start();
        let spec = spec(&format!("{{alertmanager: {{url: '{}', resendEvery: 1s}}}}", receiver.url()));
        let ends = || -> Vec<jiff::Timestamp> {
            let ends = |(alert, _): (Value, bool)| alert["endsAt"].as_str().unwrap().parse().unwrap();
            alerts(&receiver).into_iter().map(ends).collect()
        };
        let mut program = Program::start(folder.path(), &spec);
        add(folder.path(), "vm/a", 0.95);
        for life in 1..=2 {
            let known = ends().len();
            // The first is what it is told of, or that it stands; whatever comes after that renews it.
            program.wait_for("renewals", || (ends().len() >= known + 4).then_some(()));
            let renewed = ends()[known..].to_vec();
            assert!(renewed.windows(2).all(|two| two[0] < two[1]), "life {life}: {renewed:?}");
            assert!(*renewed.last().unwrap() > jiff::Timestamp::now(), "life {life}: it is open");
            if life == 1 {
                program.kill();
                program = Program::start(folder.path(), &spec);
            }
        }
        let all = alerts(&receiver);
        assert!(all.iter().all(|(alert, _)| alert["startsAt"] == all[0].0["startsAt"]), "it is one alert");
        assert!(program.entries("notified").is_empty(), "nobody is told anew");
        program.stop();
    }

    #[test]
    fn people_are_asked_about_a_plan_until_they_have_answered() {
        const ASKS: &str = "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {name: ask}\nspec:\n  \
            select: {kind: vm, name: web-1}\n  when: state == \"running\"\n  mode: approve\n  \
            approval: {within: 1h, otherwise: approve}\n  cooldown: 1h\n  then: [restart]\n";
        let folder = scratch();
        fs::create_dir_all(folder.path().join("policies")).unwrap();
        fs::write(folder.path().join("policies/ask.yaml"), ASKS).unwrap();
        let (pager, alertmanager) = (Receiver::start(), Receiver::start());
        let scenario = root().join("examples/datacenter/datacenter.yaml");
        let spec = format!(
            "adapters: [{{datacentre: {{scenario: {}}}}}]\nnotifications:\n  - cloudEvents: {{name: pager, url: '{}'}}\n  \
             - alertmanager: {{url: '{}', resendEvery: 15m, keepFor: 1s}}",
            scenario.display(),
            pager.url(),
            alertmanager.url()
        );
        let program = Program::start(folder.path(), &spec);
        program.wait_for("deliveries", || (program.entries("delivered").len() == 2).then_some(()));
        let (asked, made) = (pager.bodies().remove(0), program.entries("planMade").remove(0));
        let (id, plan) = (made["id"].as_str().unwrap(), &asked["data"]["plan"]);
        assert_eq!((&plan["id"], &plan["quorum"], &plan["otherwise"]), (&made["id"], &1.into(), &"approve".into()));
        let until: jiff::Timestamp = plan["until"].as_str().unwrap().parse().unwrap();
        assert_eq!(until.as_millisecond() - made["created"].as_i64().unwrap(), 3_600_000);
        assert!(
            asked["data"]["message"].as_str().unwrap().starts_with(&format!("plan {id} waits for approval within 1h"))
        );
        // By the clock of its data centre.
        let lasts = |alert: &Value| {
            let time = |of: &str| alert[of].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
            time("endsAt") - time("startsAt")
        };
        let (alert, _) = alerts(&alertmanager).remove(0);
        assert_eq!((&alert["labels"]["plan"], &alert["labels"]["severity"]), (&id.into(), &"info".into()));
        assert!(lasts(&alert) >= 3_600, "it is open: {alert}");

        // Who has read that needs nothing else to answer it.
        let hash = plan["hash"].as_str().unwrap();
        let (status, told) =
            printed(&homeostat(&["plan", "approve", id, "--hash", hash, "--server", &program.socket()]));
        assert_eq!(status, 0, "{told}");
        program.wait_for("the end of the alert", || {
            alerts(&alertmanager)
                .into_iter()
                .find(|(alert, _)| alert["labels"]["plan"] == *id && lasts(alert) < 600)
                .map(drop)
        });
        assert_eq!(program.entries("notified").len(), 1, "once");
        program.stop();
    }

    #[test]
    #[ignore = "needs the test bed: cargo xtask test"]
    fn a_real_alertmanager_has_the_alert_while_its_finding_is_open_and_not_after() {
        let folder = scratch();
        prepare(folder.path(), "");
        let receiver = Receiver::start();
        let alertmanager = Alertmanager::start(&receiver.url());
        let spec = spec(&format!(
            "{{alertmanager: {{url: 'http://{}', resendEvery: 1s, keepFor: 1s, labels: {{site: dc1}}}}}}",
            alertmanager.address()
        ));
        let program = Program::start(folder.path(), &spec);
        add(folder.path(), "vm/a", 0.95);
        let told = |status: &str| {
            let bodies = receiver.bodies();
            bodies
                .into_iter()
                .flat_map(|body| body["alerts"].as_array().cloned().unwrap())
                .find(|alert| alert["status"] == status)
        };
        let alert = wait_for("alert", PATIENCE, || told("firing"));
        for (label, value) in [("alertname", "hot"), ("resource", "vm/a"), ("severity", "warning"), ("site", "dc1")] {
            assert_eq!(alert["labels"][label], value, "{alert}");
        }
        assert_eq!(alert["annotations"]["summary"], "vm/a is hot");
        // It would end by itself four seconds after it was told of last.
        std::thread::sleep(Duration::from_secs(8));
        assert!(told("resolved").is_none(), "it is posted again while it is open");
        // Nor is it over because homeostat was killed and started anew.
        program.kill();
        let program = Program::start(folder.path(), &spec);
        std::thread::sleep(Duration::from_secs(8));
        assert!(told("resolved").is_none(), "it is posted by the next start");
        add(folder.path(), "vm/a", 0.95);
        program.wait_for("the finding", || program.entries("findingOpened").first().map(drop));
        std::thread::sleep(Duration::from_secs(6));
        assert!(told("resolved").is_none() && program.entries("notified").is_empty());
        add(folder.path(), "vm/a", 0.1);
        wait_for("resolution", PATIENCE, || told("resolved"));
        program.stop();
    }
}
