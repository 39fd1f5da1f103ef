//! The test bed itself: that what the end-to-end tests stand on holds.

#[cfg(test)]
mod testbed;

#[cfg(test)]
mod tests {
    use std::{
        io::{BufRead, BufReader, Read, Write},
        net::{TcpListener, TcpStream},
        time::Duration,
    };

    use crate::testbed::{Alertmanager, Engine, Prometheus, wait_for};

    const PATIENCE: Duration = Duration::from_secs(60);

    /// Answers one request with 200 and gives its body.
    fn receive(stream: TcpStream) -> String {
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        reader.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        String::from_utf8(body).unwrap()
    }

    #[test]
    #[ignore = "needs the test bed: cargo xtask test"]
    fn an_alert_of_a_real_prometheus_reaches_a_webhook() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let webhook = format!("http://{}/alertmanager", listener.local_addr().unwrap());
        let alertmanager = Alertmanager::start(&webhook);
        let rules = "groups:\n  - name: test\n    rules:\n      - alert: Always\n        expr: vector(1) > 0\n        \
                     labels: {resource: container/web}\n";
        let _prometheus = Prometheus::start(rules, &[], &alertmanager);
        let stream = wait_for("webhook", PATIENCE, || listener.accept().ok()).0;
        stream.set_nonblocking(false).unwrap();
        let body = receive(stream);
        for part in
            [r#""version":"4""#, r#""status":"firing""#, r#""alertname":"Always""#, r#""resource":"container/web""#]
        {
            assert!(body.contains(part), "no {part} in {body}");
        }
    }

    #[test]
    #[ignore = "needs the test bed: cargo xtask test"]
    fn a_container_has_the_limits_it_was_given() {
        let engine = Engine::docker();
        let container = engine.container("sleep 1000", &["--memory", "64m", "--memory-swap", "64m", "--cpus", "0.5"]);
        assert_eq!((container.memory_limit(), container.kernel_memory_limit()), (64 << 20, 64 << 20));
        assert!((container.vcpus() - 0.5).abs() < 1e-9);
        container.kill_process();
        wait_for("end of the container", PATIENCE, || (container.state() == "exited").then_some(()));
    }

    #[test]
    #[ignore = "needs the test bed: cargo xtask test"]
    fn containers_survive_a_private_engine_that_is_killed() {
        let engine = Engine::private("docker");
        let container = engine.container("sleep 1000", &[]);
        let (pid, started) = (container.pid(), container.started_at());
        engine.kill();
        engine.start();
        assert_eq!((container.state().as_str(), container.pid(), container.started_at()), ("running", pid, started));
    }

    #[test]
    #[ignore = "needs the test bed: cargo xtask test"]
    fn podman_takes_the_same_container() {
        let engine = Engine::podman();
        let container = engine.container("sleep 1000", &["--memory", "64m"]);
        assert_eq!((container.memory_limit(), container.kernel_memory_limit()), (64 << 20, 64 << 20));
    }
}
