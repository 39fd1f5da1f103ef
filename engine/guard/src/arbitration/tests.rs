use homeostat_model::PolicyName;

use super::*;

fn id(text: &str) -> ResourceId {
    text.parse().unwrap()
}

/// A deed on a VM of two cores and 4 GiB on host a, in a word or two.
fn wish(text: &str) -> Wish {
    let mut before = Before {
        amount: Amount {
            vcpus: Some(2.0),
            memory_bytes: Some(4 << 30),
            cpu_shares: Some(1024),
            cpus: Some(CpuSet::ALL),
        },
        on: Some(id("host/a")),
    };
    let (verb, what) = text.split_once(' ').unwrap_or((text, ""));
    let (first, second) = what.split_once(' ').unwrap_or((what, ""));
    let number = || first.parse::<f64>().unwrap();
    let sized = |amount: Amount| Action::Resize(amount.into());
    let action = match verb {
        "vcpus" => {
            before.amount.vcpus = second.parse().ok().or(before.amount.vcpus);
            sized(Amount { vcpus: Some(number()), ..Amount::default() })
        }
        "memory" => sized(Amount { memory_bytes: Some(first.parse::<u64>().unwrap() << 30), ..Amount::default() }),
        "shares" => sized(Amount { cpu_shares: Some(first.parse().unwrap()), ..Amount::default() }),
        "cpus" => {
            before.amount.cpus = second.parse().ok().or(before.amount.cpus);
            sized(Amount { cpus: Some(first.parse().unwrap()), ..Amount::default() })
        }
        "migrate" | "restart-on" => {
            before.on = if second.is_empty() { before.on } else { Some(id(second)) };
            let to = id(first);
            if verb == "migrate" { Action::Migrate { to, live: true } } else { Action::Restart { on: Some(to) } }
        }
        "restart" => Action::Restart { on: None },
        "recreate" => Action::Recreate { image: None },
        "start" => Action::Start,
        "stop" => Action::Stop,
        "kill" => Action::Kill,
        "pause" => Action::Pause { on: true },
        "unpause" => Action::Pause { on: false },
        "fence" => Action::Fence,
        "on" => Action::Power { on: true },
        "off" => Action::Power { on: false },
        "cordon" => Action::Cordon { on: true },
        "uncordon" => Action::Cordon { on: false },
        other => panic!("{other}"),
    };
    Wish { resource: id("vm/one"), action, before }
}

const ALL: [&str; 25] = [
    "vcpus 4",
    "vcpus 3",
    "vcpus 1",
    "vcpus 2 4",
    "memory 8",
    "memory 2",
    "shares 2048",
    "shares 512",
    "cpus 1-2",
    "cpus all 1-2",
    "migrate host/b",
    "migrate host/a host/b",
    "migrate host/c",
    "restart-on host/b",
    "restart",
    "recreate",
    "start",
    "stop",
    "kill",
    "pause",
    "unpause",
    "fence",
    "on",
    "off",
    "cordon",
];

#[test]
fn deeds_that_take_each_other_back_are_opposites_and_no_others() {
    let opposites = [
        "vcpus 4 | vcpus 1, vcpus 2 4",
        "vcpus 3 | vcpus 1, vcpus 2 4",
        "memory 8 | memory 2",
        "shares 2048 | shares 512",
        "cpus 1-2 | cpus all 1-2",
        "migrate host/b | migrate host/a host/b",
        "migrate host/a host/b | restart-on host/b",
        "restart | stop, kill",
        "recreate | stop, kill",
        "start | stop, kill",
        "stop | unpause",
        "kill | unpause",
        "pause | unpause",
        "fence | on",
        "on | off",
    ];
    let mut wanted = BTreeSet::new();
    for line in opposites {
        let (one, others) = line.split_once(" | ").unwrap();
        for other in others.split(", ") {
            wanted.extend([(one, other), (other, one)]);
        }
    }
    let pairs = ALL.iter().flat_map(|one| ALL.iter().map(move |other| (*one, *other)));
    let found: BTreeSet<_> = pairs.filter(|(one, other)| wish(one).undoes(&wish(other))).collect();
    assert_eq!(found, wanted);
    assert!(wish("cordon").undoes(&wish("uncordon")));
    // The same of something else is no opposite.
    let other = Wish { resource: id("vm/two"), ..wish("stop") };
    assert!(!wish("start").undoes(&other));
}

fn rival(policy: &str, priority: i32, wishes: &[&str]) -> Rival {
    let finding = FindingRef { policy: PolicyName::new(policy).unwrap(), resource: id("vm/one") };
    Rival { finding, priority, wishes: wishes.iter().map(|text| wish(text)).collect() }
}

#[test]
fn priority_decides_and_the_order_of_rivals_does_not() {
    let mut rivals = vec![
        rival("a", 5, &["stop"]),
        rival("b", 5, &["cordon", "vcpus 1"]),
        rival("c", 5, &["vcpus 1"]),
        rival("d", 7, &["vcpus 1"]),
        rival("e", 9, &["vcpus 4"]),
        rival("f", 7, &["vcpus 1"]),
    ];
    for (priority, deeds, expected) in [
        (5, vec!["vcpus 4"], "d on vm/one wants the opposite of vm/one resize to 4 vcpus, and has priority"),
        (7, vec!["vcpus 4"], "d on vm/one wants the opposite of vm/one resize to 4 vcpus, and neither has priority"),
        (8, vec!["vcpus 4"], "ok"),
        (5, vec!["restart"], "a on vm/one wants the opposite of vm/one restart, and neither has priority"),
        (8, vec!["vcpus 1"], "e on vm/one wants the opposite of vm/one resize to 1 vcpus, and has priority"),
        (5, vec!["memory 2"], "ok"),
    ] {
        let deeds: Vec<Wish> = deeds.into_iter().map(wish).collect();
        for _ in 0..rivals.len() {
            rivals.rotate_left(1);
            let ruling = unopposed(priority, &deeds, &rivals).map_or_else(|hold| hold.to_string(), |()| "ok".into());
            assert_eq!(ruling, expected);
        }
    }
}
