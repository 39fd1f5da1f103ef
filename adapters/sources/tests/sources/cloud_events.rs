//! What is read of CloudEvents over HTTP, against the words of the specification.

use expect_test::{Expect, expect};
use homeostat_sources::Reason;

use super::hook::{Hook, REQUIRED, STRUCTURED, event, serve};

/// What becomes of each request, with the events that arrive.
async fn outcomes(hook: &mut Hook, requests: &[(&str, &[u8])]) -> String {
    let mut all = String::new();
    for (headers, body) in requests {
        let answer = hook.post(headers, body).await;
        all += &format!(
            "{}\n{}\n",
            headers.trim_end().replace("\r\n", " | "),
            String::from_utf8_lossy(body).replace('\u{85}', "<85>")
        );
        all += &format!("  -> {} {}\n", answer.status, answer.body);
        hook.received().iter().for_each(|one| all += &format!("     {one}\n"));
    }
    all
}

async fn check(requests: &[(&str, &[u8])], expected: Expect) {
    // Each is the only one, so that none is taken for another that came before.
    let mut all = String::new();
    for request in requests {
        let mut hook = serve("{}", 16, None).await;
        all += &outcomes(&mut hook, std::slice::from_ref(request)).await;
        let taken = u64::from(all.rsplit("  -> ").next().unwrap().starts_with("202"));
        assert_eq!((hook.intake.received(), hook.intake.taken()), (1, taken), "{all}");
    }
    // The time of what gives none is that of its reception, which moves on.
    let mut lines: Vec<String> = Vec::new();
    for line in all.lines() {
        lines.push(match line.split_once(" at 17000000") {
            Some((before, after)) => format!("{before} at reception,{}", after.split_once(',').unwrap().1),
            None => line.to_owned(),
        });
    }
    expected.assert_eq(&(lines.join("\n") + "\n"));
}

/// The examples of the JSON event format, section 3.2, in both modes.
#[tokio::test]
async fn the_examples_of_the_specification_are_read() {
    let json = |change: &str| {
        event(change).replace("\"1\"", "\"A234-1234-1234\"").replace("\"t\"", "\"com.example.someevent\"")
    };
    let time = "\"time\": \"2018-04-05T17:31:00Z\", \"comexampleextension1\": \"value\", \"comexampleothervalue\": 5";
    let thrift = json(&format!(
        "{{{time}, \"datacontenttype\": \"application/vnd.apache.thrift.binary\", \"data_base64\": \"AAEC/w==\"}}"
    ));
    let xml = json(&format!(
        "{{{time}, \"unsetextension\": null, \"datacontenttype\": \"application/xml\", \"data\": \"<much wow=\\\"xml\\\"/>\"}}"
    ));
    let object = json(&format!(
        "{{{time}, \"datacontenttype\": \"application/json\", \"data\": {{\"appinfoA\": \"abc\", \"appinfoB\": 123, \"appinfoC\": true}}}}"
    ));
    let text = json(&format!("{{{time}, \"data\": \"I'm just a string\"}}"));
    let headers = "ce-specversion: 1.0\r\nce-type: com.example.someevent\r\nce-source: /s\r\nce-id: A234-1234-1234\r\n\
                   ce-time: 2018-04-05T17:31:00Z\r\nce-subject: vm/v1\r\nce-comexampleextension1: value\r\nCE-ComExampleOtherValue: 5\r\n";
    let binary = |content: &str| format!("{headers}Content-Type: {content}\r\n");
    check(
        &[
            (STRUCTURED, thrift.as_bytes()),
            (&binary("application/vnd.apache.thrift.binary"), &[0x80, 0x81]),
            (STRUCTURED, xml.as_bytes()),
            (&binary("application/xml"), b"<much wow=\"xml\"/>"),
            (STRUCTURED, object.as_bytes()),
            (
                &binary("application/json"),
                b"{\n  \"appinfoA\" : \"abc\",\n  \"appinfoB\" : 123,\n  \"appinfoC\" : true\n}",
            ),
            (STRUCTURED, text.as_bytes()),
            (&binary("application/json"), b"\"I'm just a string\""),
        ],
        expect![[r#"
            Content-Type: application/cloudevents+json; charset=UTF-8
            {"comexampleextension1":"value","comexampleothervalue":5,"data_base64":"AAEC/w==","datacontenttype":"application/vnd.apache.thrift.binary","id":"A234-1234-1234","source":"/s","specversion":"1.0","subject":"vm/v1","time":"2018-04-05T17:31:00Z","type":"com.example.someevent"}
              -> 202 {"accepted":1,"repeated":0,"refused":[]}
                 vm/v1 com.example.someevent at 1522949460000, id /s#A234-1234-1234, {"comexampleextension1": Text("value"), "comexampleothervalue": Number(5.0), "source": Text("/s"), "subject": Text("vm/v1")}
            ce-specversion: 1.0 | ce-type: com.example.someevent | ce-source: /s | ce-id: A234-1234-1234 | ce-time: 2018-04-05T17:31:00Z | ce-subject: vm/v1 | ce-comexampleextension1: value | CE-ComExampleOtherValue: 5 | Content-Type: application/vnd.apache.thrift.binary
            ��
              -> 202 {"accepted":1,"repeated":0,"refused":[]}
                 vm/v1 com.example.someevent at 1522949460000, id /s#A234-1234-1234, {"comexampleextension1": Text("value"), "comexampleothervalue": Text("5"), "source": Text("/s"), "subject": Text("vm/v1")}
            Content-Type: application/cloudevents+json; charset=UTF-8
            {"comexampleextension1":"value","comexampleothervalue":5,"data":"<much wow=\"xml\"/>","datacontenttype":"application/xml","id":"A234-1234-1234","source":"/s","specversion":"1.0","subject":"vm/v1","time":"2018-04-05T17:31:00Z","type":"com.example.someevent","unsetextension":null}
              -> 202 {"accepted":1,"repeated":0,"refused":[]}
                 vm/v1 com.example.someevent at 1522949460000, id /s#A234-1234-1234, {"comexampleextension1": Text("value"), "comexampleothervalue": Number(5.0), "data": Text("<much wow=\"xml\"/>"), "source": Text("/s"), "subject": Text("vm/v1")}
            ce-specversion: 1.0 | ce-type: com.example.someevent | ce-source: /s | ce-id: A234-1234-1234 | ce-time: 2018-04-05T17:31:00Z | ce-subject: vm/v1 | ce-comexampleextension1: value | CE-ComExampleOtherValue: 5 | Content-Type: application/xml
            <much wow="xml"/>
              -> 202 {"accepted":1,"repeated":0,"refused":[]}
                 vm/v1 com.example.someevent at 1522949460000, id /s#A234-1234-1234, {"comexampleextension1": Text("value"), "comexampleothervalue": Text("5"), "data": Text("<much wow=\"xml\"/>"), "source": Text("/s"), "subject": Text("vm/v1")}
            Content-Type: application/cloudevents+json; charset=UTF-8
            {"comexampleextension1":"value","comexampleothervalue":5,"data":{"appinfoA":"abc","appinfoB":123,"appinfoC":true},"datacontenttype":"application/json","id":"A234-1234-1234","source":"/s","specversion":"1.0","subject":"vm/v1","time":"2018-04-05T17:31:00Z","type":"com.example.someevent"}
              -> 202 {"accepted":1,"repeated":0,"refused":[]}
                 vm/v1 com.example.someevent at 1522949460000, id /s#A234-1234-1234, {"appinfoA": Text("abc"), "appinfoB": Number(123.0), "appinfoC": Bool(true), "comexampleextension1": Text("value"), "comexampleothervalue": Number(5.0), "source": Text("/s"), "subject": Text("vm/v1")}
            ce-specversion: 1.0 | ce-type: com.example.someevent | ce-source: /s | ce-id: A234-1234-1234 | ce-time: 2018-04-05T17:31:00Z | ce-subject: vm/v1 | ce-comexampleextension1: value | CE-ComExampleOtherValue: 5 | Content-Type: application/json
            {
              "appinfoA" : "abc",
              "appinfoB" : 123,
              "appinfoC" : true
            }
              -> 202 {"accepted":1,"repeated":0,"refused":[]}
                 vm/v1 com.example.someevent at 1522949460000, id /s#A234-1234-1234, {"appinfoA": Text("abc"), "appinfoB": Number(123.0), "appinfoC": Bool(true), "comexampleextension1": Text("value"), "comexampleothervalue": Text("5"), "source": Text("/s"), "subject": Text("vm/v1")}
            Content-Type: application/cloudevents+json; charset=UTF-8
            {"comexampleextension1":"value","comexampleothervalue":5,"data":"I'm just a string","id":"A234-1234-1234","source":"/s","specversion":"1.0","subject":"vm/v1","time":"2018-04-05T17:31:00Z","type":"com.example.someevent"}
              -> 202 {"accepted":1,"repeated":0,"refused":[]}
                 vm/v1 com.example.someevent at 1522949460000, id /s#A234-1234-1234, {"comexampleextension1": Text("value"), "comexampleothervalue": Number(5.0), "data": Text("I'm just a string"), "source": Text("/s"), "subject": Text("vm/v1")}
            ce-specversion: 1.0 | ce-type: com.example.someevent | ce-source: /s | ce-id: A234-1234-1234 | ce-time: 2018-04-05T17:31:00Z | ce-subject: vm/v1 | ce-comexampleextension1: value | CE-ComExampleOtherValue: 5 | Content-Type: application/json
            "I'm just a string"
              -> 202 {"accepted":1,"repeated":0,"refused":[]}
                 vm/v1 com.example.someevent at 1522949460000, id /s#A234-1234-1234, {"comexampleextension1": Text("value"), "comexampleothervalue": Text("5"), "data": Text("I'm just a string"), "source": Text("/s"), "subject": Text("vm/v1")}
        "#]],
    )
    .await;
}

#[tokio::test]
async fn what_binary_mode_says_of_headers_holds() {
    let with = |more: &str| format!("{REQUIRED}{more}");
    let subject = |subject: &str| format!("{REQUIRED}ce-subject: vm/v1\r\nce-note: {subject}\r\n");
    check(
        &[
            // "Euro € 😀" as the specification writes it; lower case; unnecessary; quotes of older senders; once, not twice.
            (&subject("Euro%20%E2%82%AC%20%F0%9F%98%80"), b""),
            (&subject("%e2%82%ac%41"), b""),
            (&subject("\"two \\\"words\\\" \\\\ %20\""), b""),
            (&subject("%2541"), b""),
            (&subject("95%"), b""),
            // "encoded byte sequences which are invalid in UTF-8 MUST be rejected".
            (&subject("%C0%A0"), b""),
            (&subject("%ff"), b""),
            (&subject("caf\u{e9}"), b""),
            // "a ce-datacontenttype HTTP header MUST NOT also be present".
            (&with("ce-subject: vm/v1\r\nce-datacontenttype: text/plain\r\n"), b""),
            (&with("ce-subject: vm/v1\r\nce-data: x\r\n"), b""),
            (&with("ce-subject: vm/v1\r\nce-id: 2\r\n"), b""),
            (&with("ce-subject: vm/v1\r\nce-my-extension: 2\r\n"), b""),
            (&with("ce-subject: vm/v1\r\nce-time: yesterday\r\n"), b""),
            (&with("ce-subject: web 1\r\n"), b""),
            (&with(""), b"{}"),
            ("ce-specversion: 1.0\r\nce-source: /s\r\nce-type: t\r\nce-subject: vm/v1\r\n", b""),
            ("ce-id: 1\r\nce-source: /s\r\nce-type: t\r\nce-subject: vm/v1\r\n", b""),
            ("ce-specversion: 0.3\r\nce-id: 1\r\nce-source: /s\r\nce-type: t\r\nce-subject: vm/v1\r\n", b""),
            (&with("ce-subject: vm/v1\r\nContent-Type: json\r\n"), b"{}"),
            (&with("ce-subject: vm/v1\r\nContent-Type: application/json\r\n"), b"{\n  \"a\": }"),
            (&with("ce-subject: vm/v1\r\nContent-Type: application/json\r\n"), b"\"\xff\""),
            (&with("ce-subject: vm/v1\r\nContent-Type: application/json\r\n"), b"{\"n\": 1e999}"),
            (&with("ce-subject: vm/v1\r\nContent-Type: application/json\r\n"), b""),
            (&with("ce-subject: vm/v1\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"), b"caf\xe9"),
            (&with("ce-subject: vm/v1\r\nContent-Type: text/plain\r\n"), b"it is hot"),
            // Without a type it is what the JSON format takes it for, if it is that.
            (&with("ce-subject: vm/v2\r\n"), b"{\"n\": 5}"),
            (&with("ce-subject: vm/v3\r\n"), b"it is hot"),
            (&with("ce-subject: vm/v3\r\n"), b"caf\xe9"),
        ],
        expect![[r#"
            ce-specversion: 1.0 | ce-id: 1 | ce-source: /s | ce-type: t | ce-subject: vm/v1 | ce-note: Euro%20%E2%82%AC%20%F0%9F%98%80

              -> 202 {"accepted":1,"repeated":0,"refused":[]}
                 vm/v1 t at reception, id /s#1, {"note": Text("Euro € 😀"), "source": Text("/s"), "subject": Text("vm/v1")}
            ce-specversion: 1.0 | ce-id: 1 | ce-source: /s | ce-type: t | ce-subject: vm/v1 | ce-note: %e2%82%ac%41

              -> 202 {"accepted":1,"repeated":0,"refused":[]}
                 vm/v1 t at reception, id /s#1, {"note": Text("€A"), "source": Text("/s"), "subject": Text("vm/v1")}
            ce-specversion: 1.0 | ce-id: 1 | ce-source: /s | ce-type: t | ce-subject: vm/v1 | ce-note: "two \"words\" \\ %20"

              -> 202 {"accepted":1,"repeated":0,"refused":[]}
                 vm/v1 t at reception, id /s#1, {"note": Text("two \"words\" \\  "), "source": Text("/s"), "subject": Text("vm/v1")}
            ce-specversion: 1.0 | ce-id: 1 | ce-source: /s | ce-type: t | ce-subject: vm/v1 | ce-note: %2541

              -> 202 {"accepted":1,"repeated":0,"refused":[]}
                 vm/v1 t at reception, id /s#1, {"note": Text("%41"), "source": Text("/s"), "subject": Text("vm/v1")}
            ce-specversion: 1.0 | ce-id: 1 | ce-source: /s | ce-type: t | ce-subject: vm/v1 | ce-note: 95%

              -> 202 {"accepted":1,"repeated":0,"refused":[]}
                 vm/v1 t at reception, id /s#1, {"note": Text("95%"), "source": Text("/s"), "subject": Text("vm/v1")}
            ce-specversion: 1.0 | ce-id: 1 | ce-source: /s | ce-type: t | ce-subject: vm/v1 | ce-note: %C0%A0

              -> 400 {"error":"the header's value is not printable ASCII with percent-encoded UTF-8 in it","path":"ce-note","help":"in binary mode the attributes of a CloudEvent are headers: ce-specversion, ce-id, ce-source, ce-type, .."}
            ce-specversion: 1.0 | ce-id: 1 | ce-source: /s | ce-type: t | ce-subject: vm/v1 | ce-note: %ff

              -> 400 {"error":"the header's value is not printable ASCII with percent-encoded UTF-8 in it","path":"ce-note","help":"in binary mode the attributes of a CloudEvent are headers: ce-specversion, ce-id, ce-source, ce-type, .."}
            ce-specversion: 1.0 | ce-id: 1 | ce-source: /s | ce-type: t | ce-subject: vm/v1 | ce-note: café

              -> 400 {"error":"the header's value is not printable ASCII with percent-encoded UTF-8 in it","path":"ce-note","help":"in binary mode the attributes of a CloudEvent are headers: ce-specversion, ce-id, ce-source, ce-type, .."}
            ce-specversion: 1.0 | ce-id: 1 | ce-source: /s | ce-type: t | ce-subject: vm/v1 | ce-datacontenttype: text/plain

              -> 400 {"error":"the header must not be there; Content-Type is that attribute","path":"ce-datacontenttype","help":"in binary mode the attributes of a CloudEvent are headers: ce-specversion, ce-id, ce-source, ce-type, .."}
            ce-specversion: 1.0 | ce-id: 1 | ce-source: /s | ce-type: t | ce-subject: vm/v1 | ce-data: x

              -> 400 {"error":"the header must not be there; the data is the body","path":"ce-data","help":"in binary mode the attributes of a CloudEvent are headers: ce-specversion, ce-id, ce-source, ce-type, .."}
            ce-specversion: 1.0 | ce-id: 1 | ce-source: /s | ce-type: t | ce-subject: vm/v1 | ce-id: 2

              -> 400 {"error":"the header is given twice","path":"ce-id","help":"in binary mode the attributes of a CloudEvent are headers: ce-specversion, ce-id, ce-source, ce-type, .."}
            ce-specversion: 1.0 | ce-id: 1 | ce-source: /s | ce-type: t | ce-subject: vm/v1 | ce-my-extension: 2

              -> 400 {"error":"the key `my-extension` is not known; extension attributes have lower-case letters and digits only; other details belong into `data`","path":"ce-my-extension","help":"in binary mode the attributes of a CloudEvent are headers: ce-specversion, ce-id, ce-source, ce-type, .."}
            ce-specversion: 1.0 | ce-id: 1 | ce-source: /s | ce-type: t | ce-subject: vm/v1 | ce-time: yesterday

              -> 400 {"error":"`time`: `yesterday` is not a time; write milliseconds since the epoch (1700000000000) or RFC 3339 (\"2023-11-14T22:13:20Z\")","path":"ce-time","help":"in binary mode the attributes of a CloudEvent are headers: ce-specversion, ce-id, ce-source, ce-type, .."}
            ce-specversion: 1.0 | ce-id: 1 | ce-source: /s | ce-type: t | ce-subject: web 1

              -> 400 {"error":"`web 1` is not a resource id: it has no `/`; write kind/name, such as vm/web-1; it was made by `${subject}`: correct what it is made of, or add a template to mapping.resource","path":"ce-subject","help":"in binary mode the attributes of a CloudEvent are headers: ce-specversion, ce-id, ce-source, ce-type, .."}
            ce-specversion: 1.0 | ce-id: 1 | ce-source: /s | ce-type: t
            {}
              -> 400 {"error":"it names no resource: `subject` is missing; the event has `specversion`, `id`, `source`, `type`; add one that is missing, or a template over what there is to mapping.resource","help":"in binary mode the attributes of a CloudEvent are headers: ce-specversion, ce-id, ce-source, ce-type, .."}
            ce-specversion: 1.0 | ce-source: /s | ce-type: t | ce-subject: vm/v1

              -> 400 {"error":"the event has no `id`; CloudEvents have specversion, id, source and type","help":"in binary mode the attributes of a CloudEvent are headers: ce-specversion, ce-id, ce-source, ce-type, .."}
            ce-id: 1 | ce-source: /s | ce-type: t | ce-subject: vm/v1

              -> 400 {"error":"the event has no `specversion`; CloudEvents have specversion, id, source and type","help":"in binary mode the attributes of a CloudEvent are headers: ce-specversion, ce-id, ce-source, ce-type, .."}
            ce-specversion: 0.3 | ce-id: 1 | ce-source: /s | ce-type: t | ce-subject: vm/v1

              -> 400 {"error":"CloudEvents version 0.3 is not known; `specversion` has to be \"1.0\"","path":"ce-specversion","help":"in binary mode the attributes of a CloudEvent are headers: ce-specversion, ce-id, ce-source, ce-type, .."}
            ce-specversion: 1.0 | ce-id: 1 | ce-source: /s | ce-type: t | ce-subject: vm/v1 | Content-Type: json
            {}
              -> 400 {"error":"`datacontenttype` is a text, not a media type such as application/json","path":"content-type","help":"in binary mode the attributes of a CloudEvent are headers: ce-specversion, ce-id, ce-source, ce-type, .."}
            ce-specversion: 1.0 | ce-id: 1 | ce-source: /s | ce-type: t | ce-subject: vm/v1 | Content-Type: application/json
            {
              "a": }
              -> 400 {"error":"it is not JSON: expected value","line":2,"column":8,"help":"send the JSON that Content-Type says"}
            ce-specversion: 1.0 | ce-id: 1 | ce-source: /s | ce-type: t | ce-subject: vm/v1 | Content-Type: application/json
            "�"
              -> 400 {"error":"the body is not UTF-8 from byte 1 on","help":"send the JSON that Content-Type says"}
            ce-specversion: 1.0 | ce-id: 1 | ce-source: /s | ce-type: t | ce-subject: vm/v1 | Content-Type: application/json
            {"n": 1e999}
              -> 400 {"error":"`data` cannot be read: number out of range; leave it out, or make it simpler","help":"in binary mode the attributes of a CloudEvent are headers: ce-specversion, ce-id, ce-source, ce-type, .."}
            ce-specversion: 1.0 | ce-id: 1 | ce-source: /s | ce-type: t | ce-subject: vm/v1 | Content-Type: application/json

              -> 202 {"accepted":1,"repeated":0,"refused":[]}
                 vm/v1 t at reception, id /s#1, {"source": Text("/s"), "subject": Text("vm/v1")}
            ce-specversion: 1.0 | ce-id: 1 | ce-source: /s | ce-type: t | ce-subject: vm/v1 | Content-Type: text/plain; charset=iso-8859-1
            caf�
              -> 202 {"accepted":1,"repeated":0,"refused":[]}
                 vm/v1 t at reception, id /s#1, {"source": Text("/s"), "subject": Text("vm/v1")}
            ce-specversion: 1.0 | ce-id: 1 | ce-source: /s | ce-type: t | ce-subject: vm/v1 | Content-Type: text/plain
            it is hot
              -> 202 {"accepted":1,"repeated":0,"refused":[]}
                 vm/v1 t at reception, id /s#1, {"data": Text("it is hot"), "source": Text("/s"), "subject": Text("vm/v1")}
            ce-specversion: 1.0 | ce-id: 1 | ce-source: /s | ce-type: t | ce-subject: vm/v2
            {"n": 5}
              -> 202 {"accepted":1,"repeated":0,"refused":[]}
                 vm/v2 t at reception, id /s#1, {"n": Number(5.0), "source": Text("/s"), "subject": Text("vm/v2")}
            ce-specversion: 1.0 | ce-id: 1 | ce-source: /s | ce-type: t | ce-subject: vm/v3
            it is hot
              -> 400 {"error":"the body is no JSON, and no Content-Type says what it is","path":"content-type","help":"send its media type as Content-Type"}
            ce-specversion: 1.0 | ce-id: 1 | ce-source: /s | ce-type: t | ce-subject: vm/v3
            caf�
              -> 400 {"error":"the body is no JSON, and no Content-Type says what it is","path":"content-type","help":"send its media type as Content-Type"}
        "#]],
    )
    .await;
}

#[tokio::test]
async fn what_the_json_event_format_says_holds() {
    let bodies: Vec<String> = [
        // "When decoding attributes and a null value is encountered, it MUST be treated as the equivalent of unset".
        r#"{"time": null, "datacontenttype": null, "data": null, "ext": null}"#,
        r#"{"id": null}"#,
        r#"{"subject": null}"#,
        // Attributes have the types of the type system.
        r#"{"id": 7}"#,
        r#"{"source": ""}"#,
        r#"{"type": "a\u0000b"}"#,
        r#"{"source": "a\u0085b"}"#,
        r#"{"specversion": 1.0}"#,
        r#"{"specversion": "1.1"}"#,
        r#"{"time": 1700000000000}"#,
        r#"{"subject": 7}"#,
        r#"{"ext": {"a": 1}}"#,
        r#"{"Ext": "a"}"#,
        r#"{"datacontenttype": "json"}"#,
        r#"{"dataschema": ""}"#,
        // "the presence of the data and data_base64 members is mutually exclusive".
        r#"{"data": 1, "data_base64": "AA=="}"#,
        r#"{"data_base64": "%%"}"#,
        r#"{"data_base64": 7}"#,
        r#"{"data_base64": "eyJhIjoxfQ==", "datacontenttype": "application/json"}"#,
        r#"{"data_base64": "eyJhIjoxfQ==", "datacontenttype": "application/vnd.acme+json; charset=utf-8"}"#,
        r#"{"data_base64": "e30", "datacontenttype": "application/json"}"#,
        r#"{"data_base64": "e3", "datacontenttype": "application/json"}"#,
        r#"{"data_base64": "e30gfQ==", "datacontenttype": "application/json"}"#,
        r#"{"data_base64": "aG90", "datacontenttype": "text/plain"}"#,
        r#"{"data_base64": "aG90"}"#,
        // "it MUST NOT further deserialize the string as a JSON document".
        r#"{"datacontenttype": "application/json", "data": "{\"a\": 1}"}"#,
        // "MAY fail to deserialize the event if the data member is not a string".
        r#"{"datacontenttype": "text/plain", "data": {"a": 1}}"#,
    ]
    .iter()
    .map(|change| event(change))
    .chain(["[]".into(), "7".into(), "{".into(), String::new(), "{\n \"specversion\": \"1.0\",\n \"id\": 8\n}".into()])
    .chain([event("{}").replace("\"id\":\"1\"", "\"id\":\"1\",\"id\":\"2\"")])
    .collect();
    let requests: Vec<(&str, &[u8])> = bodies.iter().map(|body| (STRUCTURED, body.as_bytes())).collect();
    check(&requests, expect![[r#"
        Content-Type: application/cloudevents+json; charset=UTF-8
        {"data":null,"datacontenttype":null,"ext":null,"id":"1","source":"/s","specversion":"1.0","subject":"vm/v1","time":null,"type":"t"}
          -> 202 {"accepted":1,"repeated":0,"refused":[]}
             vm/v1 t at reception, id /s#1, {"source": Text("/s"), "subject": Text("vm/v1")}
        Content-Type: application/cloudevents+json; charset=UTF-8
        {"id":null,"source":"/s","specversion":"1.0","subject":"vm/v1","type":"t"}
          -> 400 {"error":"the event has no `id`; CloudEvents have specversion, id, source and type","help":"send it as the JSON event format of CloudEvents 1.0 says"}
        Content-Type: application/cloudevents+json; charset=UTF-8
        {"id":"1","source":"/s","specversion":"1.0","subject":null,"type":"t"}
          -> 400 {"error":"it names no resource: `subject` is missing; the event has `id`, `source`, `specversion`, `subject`, `type`; add one that is missing, or a template over what there is to mapping.resource","help":"send it as the JSON event format of CloudEvents 1.0 says"}
        Content-Type: application/cloudevents+json; charset=UTF-8
        {"id":7,"source":"/s","specversion":"1.0","subject":"vm/v1","type":"t"}
          -> 400 {"error":"`id` is a number, not a text with something in it","path":"id","line":1,"column":7,"help":"send it as the JSON event format of CloudEvents 1.0 says"}
        Content-Type: application/cloudevents+json; charset=UTF-8
        {"id":"1","source":"","specversion":"1.0","subject":"vm/v1","type":"t"}
          -> 400 {"error":"`source` is empty, not a text with something in it","path":"source","line":1,"column":20,"help":"send it as the JSON event format of CloudEvents 1.0 says"}
        Content-Type: application/cloudevents+json; charset=UTF-8
        {"id":"1","source":"/s","specversion":"1.0","subject":"vm/v1","type":"a\u0000b"}
          -> 400 {"error":"`type` is a text with control characters, not a text with something in it","path":"type","line":1,"column":70,"help":"send it as the JSON event format of CloudEvents 1.0 says"}
        Content-Type: application/cloudevents+json; charset=UTF-8
        {"id":"1","source":"a<85>b","specversion":"1.0","subject":"vm/v1","type":"t"}
          -> 400 {"error":"`source` is a text with control characters, not a text with something in it","path":"source","line":1,"column":20,"help":"send it as the JSON event format of CloudEvents 1.0 says"}
        Content-Type: application/cloudevents+json; charset=UTF-8
        {"id":"1","source":"/s","specversion":1.0,"subject":"vm/v1","type":"t"}
          -> 400 {"error":"`specversion` is a number, not a text with something in it","path":"specversion","line":1,"column":39,"help":"send it as the JSON event format of CloudEvents 1.0 says"}
        Content-Type: application/cloudevents+json; charset=UTF-8
        {"id":"1","source":"/s","specversion":"1.1","subject":"vm/v1","type":"t"}
          -> 400 {"error":"CloudEvents version 1.1 is not known; `specversion` has to be \"1.0\"","path":"specversion","line":1,"column":39,"help":"send it as the JSON event format of CloudEvents 1.0 says"}
        Content-Type: application/cloudevents+json; charset=UTF-8
        {"id":"1","source":"/s","specversion":"1.0","subject":"vm/v1","time":1700000000000,"type":"t"}
          -> 400 {"error":"`time` is a number, not a text such as \"2023-11-14T22:13:20Z\"","path":"time","line":1,"column":70,"help":"send it as the JSON event format of CloudEvents 1.0 says"}
        Content-Type: application/cloudevents+json; charset=UTF-8
        {"id":"1","source":"/s","specversion":"1.0","subject":7,"type":"t"}
          -> 400 {"error":"`subject` is a number, not a text with something in it","path":"subject","line":1,"column":55,"help":"send it as the JSON event format of CloudEvents 1.0 says"}
        Content-Type: application/cloudevents+json; charset=UTF-8
        {"ext":{"a":1},"id":"1","source":"/s","specversion":"1.0","subject":"vm/v1","type":"t"}
          -> 400 {"error":"`ext` is an object, not a text, a number or a truth; other details belong into `data`","path":"ext","line":1,"column":8,"help":"send it as the JSON event format of CloudEvents 1.0 says"}
        Content-Type: application/cloudevents+json; charset=UTF-8
        {"Ext":"a","id":"1","source":"/s","specversion":"1.0","subject":"vm/v1","type":"t"}
          -> 400 {"error":"the key `Ext` is not known; extension attributes have lower-case letters and digits only; other details belong into `data`","path":"Ext","line":1,"column":2,"help":"send it as the JSON event format of CloudEvents 1.0 says"}
        Content-Type: application/cloudevents+json; charset=UTF-8
        {"datacontenttype":"json","id":"1","source":"/s","specversion":"1.0","subject":"vm/v1","type":"t"}
          -> 400 {"error":"`datacontenttype` is a text, not a media type such as application/json","path":"datacontenttype","line":1,"column":20,"help":"send it as the JSON event format of CloudEvents 1.0 says"}
        Content-Type: application/cloudevents+json; charset=UTF-8
        {"dataschema":"","id":"1","source":"/s","specversion":"1.0","subject":"vm/v1","type":"t"}
          -> 400 {"error":"`dataschema` is empty, not a text with something in it","path":"dataschema","line":1,"column":15,"help":"send it as the JSON event format of CloudEvents 1.0 says"}
        Content-Type: application/cloudevents+json; charset=UTF-8
        {"data":1,"data_base64":"AA==","id":"1","source":"/s","specversion":"1.0","subject":"vm/v1","type":"t"}
          -> 400 {"error":"the event has both `data` and `data_base64`; leave one of them out","path":"data_base64","line":1,"column":11,"help":"send it as the JSON event format of CloudEvents 1.0 says"}
        Content-Type: application/cloudevents+json; charset=UTF-8
        {"data_base64":"%%","id":"1","source":"/s","specversion":"1.0","subject":"vm/v1","type":"t"}
          -> 400 {"error":"`data_base64` cannot be read: it is not Base64: Invalid symbol 37, offset 0.; leave it out, or make it simpler","path":"data_base64","line":1,"column":16,"help":"send it as the JSON event format of CloudEvents 1.0 says"}
        Content-Type: application/cloudevents+json; charset=UTF-8
        {"data_base64":7,"id":"1","source":"/s","specversion":"1.0","subject":"vm/v1","type":"t"}
          -> 400 {"error":"`data_base64` is a number, not a text in Base64","path":"data_base64","line":1,"column":16,"help":"send it as the JSON event format of CloudEvents 1.0 says"}
        Content-Type: application/cloudevents+json; charset=UTF-8
        {"data_base64":"eyJhIjoxfQ==","datacontenttype":"application/json","id":"1","source":"/s","specversion":"1.0","subject":"vm/v1","type":"t"}
          -> 202 {"accepted":1,"repeated":0,"refused":[]}
             vm/v1 t at reception, id /s#1, {"a": Number(1.0), "source": Text("/s"), "subject": Text("vm/v1")}
        Content-Type: application/cloudevents+json; charset=UTF-8
        {"data_base64":"eyJhIjoxfQ==","datacontenttype":"application/vnd.acme+json; charset=utf-8","id":"1","source":"/s","specversion":"1.0","subject":"vm/v1","type":"t"}
          -> 202 {"accepted":1,"repeated":0,"refused":[]}
             vm/v1 t at reception, id /s#1, {"a": Number(1.0), "source": Text("/s"), "subject": Text("vm/v1")}
        Content-Type: application/cloudevents+json; charset=UTF-8
        {"data_base64":"e30","datacontenttype":"application/json","id":"1","source":"/s","specversion":"1.0","subject":"vm/v1","type":"t"}
          -> 400 {"error":"`data_base64` cannot be read: it is not Base64: Invalid padding; leave it out, or make it simpler","path":"data_base64","line":1,"column":16,"help":"send it as the JSON event format of CloudEvents 1.0 says"}
        Content-Type: application/cloudevents+json; charset=UTF-8
        {"data_base64":"e3","datacontenttype":"application/json","id":"1","source":"/s","specversion":"1.0","subject":"vm/v1","type":"t"}
          -> 400 {"error":"`data_base64` cannot be read: it is not Base64: Invalid padding; leave it out, or make it simpler","path":"data_base64","line":1,"column":16,"help":"send it as the JSON event format of CloudEvents 1.0 says"}
        Content-Type: application/cloudevents+json; charset=UTF-8
        {"data_base64":"e30gfQ==","datacontenttype":"application/json","id":"1","source":"/s","specversion":"1.0","subject":"vm/v1","type":"t"}
          -> 400 {"error":"`data_base64` cannot be read: what it wraps is not the JSON that datacontenttype says: trailing characters at line 1 column 4; leave it out, or make it simpler","path":"data_base64","line":1,"column":16,"help":"send it as the JSON event format of CloudEvents 1.0 says"}
        Content-Type: application/cloudevents+json; charset=UTF-8
        {"data_base64":"aG90","datacontenttype":"text/plain","id":"1","source":"/s","specversion":"1.0","subject":"vm/v1","type":"t"}
          -> 202 {"accepted":1,"repeated":0,"refused":[]}
             vm/v1 t at reception, id /s#1, {"data": Text("hot"), "source": Text("/s"), "subject": Text("vm/v1")}
        Content-Type: application/cloudevents+json; charset=UTF-8
        {"data_base64":"aG90","id":"1","source":"/s","specversion":"1.0","subject":"vm/v1","type":"t"}
          -> 202 {"accepted":1,"repeated":0,"refused":[]}
             vm/v1 t at reception, id /s#1, {"source": Text("/s"), "subject": Text("vm/v1")}
        Content-Type: application/cloudevents+json; charset=UTF-8
        {"data":"{\"a\": 1}","datacontenttype":"application/json","id":"1","source":"/s","specversion":"1.0","subject":"vm/v1","type":"t"}
          -> 202 {"accepted":1,"repeated":0,"refused":[]}
             vm/v1 t at reception, id /s#1, {"data": Text("{\"a\": 1}"), "source": Text("/s"), "subject": Text("vm/v1")}
        Content-Type: application/cloudevents+json; charset=UTF-8
        {"data":{"a":1},"datacontenttype":"text/plain","id":"1","source":"/s","specversion":"1.0","subject":"vm/v1","type":"t"}
          -> 400 {"error":"`data` is an object, not a text, which all data is that is no JSON by its datacontenttype","path":"data","line":1,"column":9,"help":"send it as the JSON event format of CloudEvents 1.0 says"}
        Content-Type: application/cloudevents+json; charset=UTF-8
        []
          -> 400 {"error":"the event is a list, not an object","line":1,"column":1,"help":"send it as the JSON event format of CloudEvents 1.0 says"}
        Content-Type: application/cloudevents+json; charset=UTF-8
        7
          -> 400 {"error":"the event is a number, not an object","line":1,"column":1,"help":"send it as the JSON event format of CloudEvents 1.0 says"}
        Content-Type: application/cloudevents+json; charset=UTF-8
        {
          -> 400 {"error":"it is not JSON: EOF while parsing an object","line":1,"column":1,"help":"send it as the JSON event format of CloudEvents 1.0 says"}
        Content-Type: application/cloudevents+json; charset=UTF-8

          -> 400 {"error":"it is not JSON: EOF while parsing a value","line":1,"column":1,"help":"send it as the JSON event format of CloudEvents 1.0 says"}
        Content-Type: application/cloudevents+json; charset=UTF-8
        {
         "specversion": "1.0",
         "id": 8
        }
          -> 400 {"error":"`id` is a number, not a text with something in it","path":"id","line":3,"column":8,"help":"send it as the JSON event format of CloudEvents 1.0 says"}
        Content-Type: application/cloudevents+json; charset=UTF-8
        {"id":"1","id":"2","source":"/s","specversion":"1.0","subject":"vm/v1","type":"t"}
          -> 400 {"error":"`id` is given twice; leave one of them out","path":"id","line":1,"column":11,"help":"send it as the JSON event format of CloudEvents 1.0 says"}
    "#]]).await;
}

#[tokio::test]
async fn other_media_types_and_encodings_are_not_understood() {
    let body = event("{}");
    let types = [
        "",
        "Content-Type: application/json\r\n",
        "Content-Type: application/cloudevents+avro\r\n",
        "Content-Type: application/cloudevents\r\n",
        "Content-Type: application/cloudevents-batch+xml\r\n",
        "Content-Type: application/cloudevents+json; charset=utf-16\r\n",
        "Content-Type: application/cloudevents+json\r\nContent-Encoding: gzip\r\n",
    ];
    for headers in types {
        let mut hook = serve("{}", 16, None).await;
        let answer = hook.post(headers, &body).await;
        assert_eq!(answer.status, 415, "{headers}: {answer:?}");
        assert!(answer.body.contains("application/cloudevents-batch+json"), "{answer:?}");
        assert_eq!((hook.received().len(), hook.intake.refused(Reason::Unsupported)), (0, 1));
    }
    // "prefixed with", whatever its case.
    let hook = serve("{}", 16, None).await;
    assert_eq!(hook.post("content-type: Application/CloudEvents+JSON\r\n", &body).await.status, 202);
}
