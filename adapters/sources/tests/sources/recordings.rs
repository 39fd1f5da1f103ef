//! Whole recordings, read in virtual time.

use std::io::{self, BufRead, BufReader, Read};

use expect_test::expect;
use homeostat_sources::{Mapping, read_all};

use super::told::told;

fn read(reader: impl BufRead) -> String {
    let mut seen = String::new();
    for line in read_all(reader, &Mapping::default()) {
        match line {
            Ok(line) => {
                seen += &format!("{} at {:?}\n", line.number, line.time.map(|time| time.as_millis()));
                line.observations.iter().for_each(|one| seen += &format!("    {}\n", told(one)));
            }
            Err(error) => seen += &format!("! {error}\n"),
        }
    }
    seen
}

#[test]
fn bad_lines_do_not_stop_the_others_and_times_are_inherited() {
    let text = concat!(
        "\u{feff}{\"resource\":\"vm/v1\",\"metrics\":{\"cpu\":1}}\r\n",
        "\n",
        "{\"resource\":\"vm/v1\",\"time\":1000,\"metrics\":{\"cpu\":2},\"labels\":{\"tier\":\"web\"}}\n",
        "{\"resource\":\"vm/v1\",\"metrik\":{}}\n",
        "{\"resource\":\"vm/v1\",\"time\":500,\"metrics\":{\"cpu\":3},\"labels\":{\"tier\":\"web\"}}\n",
        "{\"resource\":\"vm/v2\",\"metrics\":{\"cpu\":4},\"labels\":{\"tier\":\"web\"}}\n",
        "{\"resource\":\"vm/v1\",\"time\":2000,\"labels\":{\"tier\":\"db\"}}\n",
        "{\"resource\":\"vm/v1\",\"metrics\":{\"cpu\":5}}",
    );
    expect![[r#"
        1 at None
            vm/v1 cpu = 1 at 0
        3 at Some(1000)
            vm/v1 labels {"tier": "web"}
            vm/v1 cpu = 2 at 1000
        ! line 4, column 21: the key `metrik` is not known; did you mean `metrics`?
        5 at Some(500)
            vm/v1 cpu = 3 at 500
        6 at None
            vm/v2 labels {"tier": "web"}
            vm/v2 cpu = 4 at 1000
        7 at Some(2000)
            vm/v1 labels {"tier": "db"}
        8 at None
            vm/v1 cpu = 5 at 2000
    "#]]
    .assert_eq(&read(text.as_bytes()));
}

#[test]
fn an_event_that_comes_again_says_nothing() {
    let event = |id: &str| {
        let event = serde_json::json!({"specversion": "1.0", "id": id, "source": "s", "type": "t", "subject": "vm/v1",
            "time": "1970-01-01T00:00:01Z"});
        format!("{event}\n")
    };
    let text = event("1") + &event("1") + &event("2") + &event("1");
    expect![[r#"
        1 at Some(1000)
            vm/v1 t at 1000, id s#1, {"source": Text("s"), "subject": Text("vm/v1")}
        2 at Some(1000)
        3 at Some(1000)
            vm/v1 t at 1000, id s#2, {"source": Text("s"), "subject": Text("vm/v1")}
        4 at Some(1000)
    "#]]
    .assert_eq(&read(text.as_bytes()));
}

#[test]
fn too_long_and_garbled_lines_are_refused_alone() {
    let mut bytes = vec![b' '; (1 << 20) - 1];
    bytes.extend_from_slice(b"\n{\"resource\":\"vm/long");
    bytes.resize(bytes.len() + (1 << 20), b'g');
    bytes.extend_from_slice(b"\n\xff\xfe\n{\"resource\":\"vm/v1\",\"metrics\":{\"cpu\":1}}\n");
    bytes.resize(bytes.len() + (1 << 20) + 1, b' ');
    // Small reads, as of a pipe.
    expect![[r#"
        ! line 2: the line is longer than 1048576 bytes; write one sample or event a line
        ! line 3: the line is not UTF-8; convert the file, as with `iconv -t utf-8`
        4 at None
            vm/v1 cpu = 1 at 0
        ! line 5: the line is longer than 1048576 bytes; write one sample or event a line
    "#]]
    .assert_eq(&read(BufReader::with_capacity(1000, bytes.as_slice())));
}

#[test]
fn a_reader_that_breaks_ends_the_recording_and_says_so() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is gone"))
        }
    }
    let good: &[u8] = b"{\"resource\":\"vm/v1\",\"metrics\":{\"cpu\":1}}\n{\"resource\"";
    expect![[r#"
        1 at None
            vm/v1 cpu = 1 at 0
        ! line 2: cannot read on: the disk is gone
    "#]]
    .assert_eq(&read(BufReader::new(good.chain(Broken))));
}
