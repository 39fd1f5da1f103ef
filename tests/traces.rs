//! Traces of plans, as a collector receives them.

#[cfg(test)]
mod program;

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeMap,
        fs,
        io::{BufRead, BufReader, Read, Write},
        net::{TcpListener, TcpStream},
        sync::mpsc::{Receiver, channel},
        thread,
        time::Instant,
    };

    use opentelemetry_proto::tonic::{
        collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse},
        trace::v1::{Span, status::StatusCode},
    };
    use prost::Message;

    use crate::program::{PATIENCE, Program};

    const POLICY: &str = "apiVersion: homeostat.dev/v1alpha1
kind: Policy
metadata: {name: restart-crashed}
spec:
  select: {kind: vm}
  on: vm.crashed
  when: host.last(\"cpu.utilization\") >= 0
  then: [{restart: {}}]
";

    const SCENARIO: &str = "start: 2026-03-02T09:00:00Z
duration: 1h
seed: 1
sampleEvery: 1s
racks: [{name: r1}]
hosts: [{name: h1, rack: r1, cores: 8, memory: 16Gi, power: {idle: 10W, busy: 20W}}]
vms: [{name: web-1, on: h1, vcpus: 1, memory: 1Gi, load: {base: 0.5}}]
";

    /// A collector: takes in what is posted to `/v1/traces`, and hands on the spans.
    fn collector() -> (String, Receiver<Span>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, spans) = channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, sender) = (stream.unwrap(), sender.clone());
                // Connections are kept open between batches.
                thread::spawn(move || {
                    while let Some((path, body)) = request(&mut stream) {
                        assert_eq!(path, "POST /v1/traces HTTP/1.1");
                        let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
                        let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
                        scopes.flat_map(|scope| scope.spans).for_each(|span| sender.send(span).unwrap());
                        let answer = ExportTraceServiceResponse::default().encode_to_vec();
                        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", answer.len());
                        stream.write_all(head.as_bytes()).unwrap();
                        stream.write_all(&answer).unwrap();
                    }
                });
            }
        });
        (url, spans)
    }

    /// The request line and the body; `None` at the end of the connection.
    fn request(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
        let mut reader = BufReader::new(stream);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let length =
            lines.iter().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or_default()];
        reader.read_exact(&mut body).ok()?;
        Some((lines.first()?.clone(), body))
    }

    /// A line of JSON that says that vm/web-1 has crashed.
    fn event(more: &str) -> String {
        format!(
            "{{\"specversion\": \"1.0\", \"id\": \"1\", \"source\": \"/test\", \"type\": \"vm.crashed\", \"subject\": \"vm/web-1\"{more}}}\n"
        )
    }

    fn attributes(span: &Span) -> BTreeMap<&str, String> {
        let text = |value: &opentelemetry_proto::tonic::common::v1::AnyValue| {
            use opentelemetry_proto::tonic::common::v1::any_value::Value::{IntValue, StringValue};
            match &value.value {
                Some(StringValue(text)) => text.clone(),
                Some(IntValue(number)) => number.to_string(),
                other => format!("{other:?}"),
            }
        };
        span.attributes.iter().map(|one| (one.key.as_str(), one.value.as_ref().map(text).unwrap_or_default())).collect()
    }

    #[test]
    fn a_plan_is_a_trace_that_links_to_what_caused_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("policies")).unwrap();
        fs::write(folder.path().join("policies/restart.yaml"), POLICY).unwrap();
        fs::write(folder.path().join("centre.yaml"), SCENARIO).unwrap();
        let (url, spans) = collector();
        let spec = format!(
            "adapters: [{{datacentre: {{scenario: centre.yaml}}}}]\nsources: [{{jsonLines: {{name: lines, path: lines, follow: true}}}}]\n\
         traces: {{endpoint: \"{url}\"}}"
        );
        let program = Program::start(folder.path(), &spec);
        let parent = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        let traceparent = format!(", \"traceparent\": \"00-{}-{}-01\"", parent.0, parent.1);
        fs::write(folder.path().join("lines"), event(&traceparent)).unwrap();
        let (began, mut all) = (Instant::now(), Vec::new());
        let plan = loop {
            let left = PATIENCE.saturating_sub(began.elapsed());
            let span: Span =
                spans.recv_timeout(left).unwrap_or_else(|_| panic!("no plan in {all:#?}\n{}", program.log()));
            all.push(span.clone());
            if span.name == "plan restart vm/web-1" {
                break span;
            }
        };
        drop(program);
        let hexadecimal = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let (ours, theirs): (Vec<_>, Vec<_>) =
            plan.links.iter().partition(|link| hexadecimal(&link.trace_id) != parent.0);
        assert_eq!(theirs.iter().map(|link| hexadecimal(&link.span_id)).collect::<Vec<_>>(), [parent.1]);
        // Each other link leads to a span that was sent: the event, and the sample that the condition reads.
        let causes: Vec<&Span> =
            ours.iter().filter_map(|link| all.iter().find(|span| span.span_id == link.span_id)).collect();
        let names: Vec<&str> = causes.iter().map(|span| span.name.as_str()).collect();
        assert_eq!(names, ["event vm.crashed", "host.last(\"cpu.utilization\") >= 0"], "{all:#?}");
        let sample = attributes(causes[1]);
        assert_eq!(sample["homeostat.truth"], "true");
        assert!(sample.keys().any(|key| key.starts_with("homeostat.value.host.last")), "{sample:?}");
        // The step is a child of the plan, in its trace, and both went well.
        let step = all.iter().find(|span| span.name == "restart vm/web-1").unwrap();
        assert_eq!((&step.trace_id, &step.parent_span_id), (&plan.trace_id, &plan.span_id));
        for span in [step, &plan] {
            assert_eq!(span.status.as_ref().unwrap().code(), StatusCode::Ok, "{span:#?}");
            assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
        }
        let said = attributes(&plan);
        assert_eq!((said["homeostat.policy"].as_str(), said["homeostat.mode"].as_str()), ("restart-crashed", "auto"));
    }

    #[test]
    fn without_its_collector_homeostat_acts_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("policies")).unwrap();
        fs::write(folder.path().join("policies/restart.yaml"), POLICY).unwrap();
        fs::write(folder.path().join("centre.yaml"), SCENARIO).unwrap();
        // Nobody listens there any more.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let spec = format!(
            "adapters: [{{datacentre: {{scenario: centre.yaml}}}}]\nsources: [{{jsonLines: {{name: lines, path: lines, follow: true}}}}]\n\
         traces: {{endpoint: \"http://127.0.0.1:{port}\"}}"
        );
        let program = Program::start(folder.path(), &spec);
        fs::write(folder.path().join("lines"), event("")).unwrap();
        program.wait_for("finished plan", || program.entries("planFinished").pop());
        program.stop();
    }
}
