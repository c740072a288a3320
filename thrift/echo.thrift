// A service for tests and benchmarks of the Thrift layer; no program serves it.

namespace go echo
namespace py echo

// Refused is what a handler answers to data that it does not like.
exception Refused {
  1: string reason,
  2: i64 retry_after_ms,      // 0: unknown
}

// Item has a field of most kinds.
struct Item {
  1: string name,
  2: i64 number,
  3: binary data,
  4: map<string, string> labels,
  5: list<string> notes,
  6: optional double weight,
  7: bool flag,
}

service Echo {
  // ping answers, nothing more.
  void ping(),

  // echo answers its data.
  binary echo(1: binary data) throws (1: Refused refused),

  // item answers its item.
  Item item(1: Item item) throws (1: Refused refused),

  // after answers its data when ms milliseconds have gone by.
  binary after(1: binary data, 2: i64 ms),

  // note has no answer.
  oneway void note(1: string text),
}
