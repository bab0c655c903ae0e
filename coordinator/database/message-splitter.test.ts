import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MessageSplitter } from './message-splitter.ts';

function message(type: string, body: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(4 + body.length);
  return Buffer.concat([Buffer.from(type), length, body]);
}

test('however a stream is cut, whole messages come out of it as soon as they are there', () => {
  const bodies = fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(bodies, fc.infiniteStream(fc.integer({ min: 1, max: 60 })), (contents, sizes) => {
      const messages = contents.map((body, index) => message(index === 0 ? '' : 'Q', body));
      const all = Buffer.concat(messages);
      const ends = messages.map((_, index) => Buffer.concat(messages.slice(0, index + 1)).length);
      const splitter = new MessageSplitter();
      const out: Buffer[] = [];
      for (let position = 0; position < all.length; ) {
        const size = sizes.next().value;
        const { whole, terminated } = splitter.push(all.subarray(position, position + size));
        position += size;
        expect(terminated).toBe(false);
        if (whole) out.push(whole);
        const passed = out.reduce((sum, { length }) => sum + length, 0);
        expect(passed).toBe(ends.findLast((end) => end <= position) ?? 0);
      }
      expect(Buffer.concat(out)).toEqual(all);
    }),
  );
});

test('the rows of a COPY are passed on with it, all at once, and other messages do not wait for them', () => {
  const copy = message('Q', Buffer.from('COPY t (a)\nFROM STDIN (format binary)\0'));
  const before = message('Q', Buffer.from("select 'copy t from stdin'\0"));
  const rows = ['one', 'two'].map((text) => message('d', Buffer.from(text)));
  for (const end of ['c', 'f']) {
    const splitter = new MessageSplitter();
    const first = message('', Buffer.from('start'));
    expect(splitter.push(Buffer.concat([first, before, copy]))).toMatchObject({
      whole: Buffer.concat([first, before]),
    });
    const rest = Buffer.concat([...rows, message(end, Buffer.alloc(0))]);
    for (const byte of rest.subarray(0, -1)) {
      expect(splitter.push(Buffer.of(byte))).toEqual({ whole: undefined, terminated: false });
    }
    expect(splitter.push(Buffer.concat([rest.subarray(-1), before]))).toEqual({
      whole: Buffer.concat([copy, rest, before]),
      terminated: false,
    });
  }
});

test('what comes before the leave is passed on, the leave and what follows is not', () => {
  const splitter = new MessageSplitter();
  const first = message('', Buffer.from('start'));
  const query = message('Q', Buffer.from('X'));
  expect(splitter.push(first)).toEqual({ whole: first, terminated: false });
  const leave = message('X', Buffer.alloc(0));
  expect(splitter.push(Buffer.concat([query, leave, query]))).toEqual({ whole: query, terminated: true });
  expect(splitter.push(query)).toEqual({ whole: undefined, terminated: true });
});
