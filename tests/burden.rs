//! People who ask a great deal, or read nothing of the answer: homeostat goes on watching, and others are answered.

#[cfg(test)]
mod program;

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::{Read, Write},
        net::TcpStream,
        os::unix::net::UnixStream,
        path::Path,
        sync::atomic::{AtomicBool, Ordering},
        time::{Duration, Instant},
    };

    use crate::program::{PATIENCE, Program, scratch};

    /// Machines, of which a plan waits for each.
    const MACHINES: usize = 150;
    const SCENARIO: &str = "start: 2026-03-02T09:00:00Z\nduration: 1h\nseed: 1\nsampleEvery: 15s\nracks: [{name: r1}]\n\
        hosts: [{name: h1, rack: r1, cores: 256, memory: 1Ti, overcommit: 4, power: {idle: 120W, busy: 350W}}]\n\
        vms: [{name: \"m{1..150}\", on: h1, vcpus: 1, memory: 1Gi, load: {base: 0.1}}]\n";
    const POLICY: &str = "apiVersion: homeostat.dev/v1alpha1\nkind: Policy\nmetadata: {name: all}\nspec:\n  select: {kind: vm}\n  \
        when: state == \"running\"\n  mode: approve\n  cooldown: 1h\n  then: [restart]\n";
    const SPEC: &str = "adapters:\n  - datacentre: {scenario: crowd.yaml}\nmetrics: [{name: heat}]\n\
        sources: [{jsonLines: {path: lines.jsonl, follow: true}}]\n";

    fn crowd(folder: &Path) -> Program {
        fs::create_dir_all(folder.join("policies")).unwrap();
        for (name, text) in [("crowd.yaml", SCENARIO), ("lines.jsonl", ""), ("policies/p.yaml", POLICY)] {
            fs::write(folder.join(name), text).unwrap();
        }
        let program = Program::start(folder, SPEC);
        program.wait_for("plans", || (program.entries("planMade").len() >= MACHINES).then_some(()));
        program
    }

    #[test]
    fn whoever_only_asks_makes_homeostat_blind_to_nothing() {
        const SAMPLES: u32 = 20_000;
        let folder = scratch();
        let program = crowd(folder.path());
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for number in 0..40 {
                let (over, socket) = (&over, folder.path().join("journal/homeostat.sock"));
                // Some ask for what there is not, some for all that there is.
                let path = if number % 4 == 0 { "plans?limit=1000" } else { "plans/p9-9" };
                scope.spawn(move || {
                    let request = format!("GET /api/v1/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
                    while !over.load(Ordering::Relaxed) {
                        let Ok(mut stream) = UnixStream::connect(&socket) else { continue };
                        let _ = stream.write_all(request.as_bytes());
                        let _ = std::io::copy(&mut stream, &mut std::io::sink());
                    }
                });
            }
            std::thread::sleep(Duration::from_secs(1));
            let line = |number| format!("{{\"resource\":\"vm/m1\",\"metrics\":{{\"heat\":{number}}}}}\n");
            let lines: String = (0..SAMPLES).map(line).collect();
            let before = program.metric("homeostat_samples_total");
            fs::write(folder.path().join("lines.jsonl"), lines).unwrap();
            let (began, mut taken) = (Instant::now(), 0.0);
            while taken < f64::from(SAMPLES) && began.elapsed() < Duration::from_secs(20) {
                std::thread::sleep(Duration::from_millis(200));
                taken = program.metric("homeostat_samples_total") - before;
            }
            over.store(true, Ordering::Relaxed);
            assert!(taken >= f64::from(SAMPLES), "{taken} of {SAMPLES} samples were taken in");
        });
    }

    #[test]
    fn whoever_reads_nothing_holds_no_connection_for_long() {
        let folder = scratch();
        let program = crowd(folder.path());
        // More than all buffers between here and there have room for.
        let requests = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(4000);
        let held: Vec<TcpStream> = (0..512)
            .map(|_| {
                let mut stream = TcpStream::connect(("127.0.0.1", program.port())).unwrap();
                stream.set_nonblocking(true).unwrap();
                // As much as there is room for.
                let _ = stream.write(requests.as_bytes());
                stream
            })
            .collect();
        let mut next = TcpStream::connect(("127.0.0.1", program.port())).unwrap();
        next.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        // What all of them asked for is a lot of work for a busy machine.
        next.set_read_timeout(Some(4 * PATIENCE)).unwrap();
        let began = Instant::now();
        let mut answer = String::new();
        next.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer} after {:?}", began.elapsed());
        drop(held);
    }
}
