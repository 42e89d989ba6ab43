/** Random HTTP/1.1 requests, most of them almost right: what request smuggling is made of. */
import fc from 'fast-check';

/** Lines that one parser might read in another way than the next. */
const oddHeaders = [
  'Content-Length: 5',
  'content-length: 3',
  'Content-Length: +3',
  'Content-Length: 03',
  'Content-Length: 3, 3',
  'Content-Length: 0x3',
  'Content-Length: -1',
  'Content-Length: 3 ',
  'Content-Length:\t3',
  'Content-Length : 3',
  ' Content-Length: 3',
  'Content-Length: 99999999999999999999',
  'Content-Length:',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: identity',
  'Transfer-Encoding:\x0bchunked',
  'Transfer-Encoding : chunked',
  'transfer-encoding: chunked, identity',
  'X-A: b\r\n folded: c',
  'X-A: b\r\n\tTransfer-Encoding: chunked',
  'X-A: b\nTransfer-Encoding: chunked',
  'X-A: b\rTransfer-Encoding: chunked',
  'X-A: \x00',
  'X-A: \x7f',
  'X-A: caf\xe9',
  'X-A:   spaces   ',
  'X-A:',
  'X-A: a',
  'x-a: b',
  'X_A: underscore',
  'X A: space',
  ': no name',
  'no colon',
  'Host: other',
  'Host:',
  'Connection: close',
  'Connection: keep-alive',
  'Connection: Keep-Alive, Upgrade',
  'Connection: upgrade',
  'Upgrade: h2c',
  'Expect: 100-continue',
  'Content-Encoding: gzip',
  'Authorization: Bearer a:b',
  'Cookie: a=b',
  '__proto__: x',
  'constructor: x',
];

const requestLines = [
  'POST /v2/models/m/infer HTTP/1.1',
  'POST /v2/models/m/infer?a=b HTTP/1.1',
  'POST /v2/models/m%41/infer HTTP/1.1',
  'POST /v2/models/../infer HTTP/1.1',
  'POST //v2/models/m/infer HTTP/1.1',
  'POST /v2/models/m/infer HTTP/1.0',
  'POST /v2/models/m/infer HTTP/2.0',
  'POST /v2/models/m/infer  HTTP/1.1',
  'POST /v2/models/m/infer HTTP/1.1 ',
  'POST  /v2/models/m/infer HTTP/1.1',
  'post /v2/models/m/infer HTTP/1.1',
  'POST http://other/v2/models/m/infer HTTP/1.1',
  'POST * HTTP/1.1',
  'POST /v2/models/m/infer',
  'GET /v2/models/m/infer HTTP/1.1',
  'PUT /v2/models/m/infer HTTP/1.1',
  'PRI * HTTP/2.0',
];

const body = fc.constantFrom(
  '',
  'abc',
  'hello',
  '{"inputs":[]}',
  '3\r\nabc\r\n0\r\n\r\n',
  '0\r\n\r\n',
  'POST /v2/models/x/infer HTTP/1.1\r\n\r\n',
);

/** A request as most clients send it. */
export const plainRequest: fc.Arbitrary<string> = fc
  .record({ text: body, names: fc.constantFrom(['Host', 'Content-Length'], ['host', 'content-length'], ['HOST', 'CONTENT-LENGTH']) })
  .map(
    ({ text, names: [host, length] }) =>
      `POST /v2/models/m/infer HTTP/1.1\r\n${host}: a\r\nx-request-id: r\r\n${length}: ${text.length}\r\n\r\n${text}`,
  );

const oddRequest: fc.Arbitrary<string> = fc
  .record({
    line: fc.oneof(
      { weight: 3, arbitrary: fc.constant(requestLines[0] as string) },
      { weight: 1, arbitrary: fc.constantFrom(...requestLines) },
    ),
    headers: fc.array(fc.constantFrom(...oddHeaders), { maxLength: 3 }),
    hasLength: fc.boolean(),
    text: body,
    newline: fc.oneof({ weight: 8, arbitrary: fc.constant('\r\n') }, { weight: 1, arbitrary: fc.constantFrom('\n', '\r') }),
    before: fc.oneof({ weight: 8, arbitrary: fc.constant('') }, { weight: 1, arbitrary: fc.constantFrom('\r\n', '\n', ' ', '\0') }),
  })
  .map(({ line, headers, hasLength, text, newline, before }) => {
    const length = hasLength ? [`Content-Length: ${text.length}`] : [];
    return `${before}${[line, 'Host: a', ...headers, ...length, '', ''].join(newline)}${text}`;
  });

/** With one byte changed, removed or added. */
const damagedRequest: fc.Arbitrary<string> = fc
  .record({ text: fc.oneof(plainRequest, oddRequest), at: fc.nat(10_000), byte: fc.nat(255), remove: fc.constantFrom(0, 1) })
  .map(({ text, at, byte, remove }) => {
    const offset = at % (text.length + 1);
    return text.slice(0, offset) + String.fromCharCode(byte) + text.slice(offset + remove);
  });

/** One to four requests on one connection. */
export const requestStream: fc.Arbitrary<Buffer> = fc
  .array(fc.oneof({ weight: 2, arbitrary: plainRequest }, { weight: 3, arbitrary: oddRequest }, { weight: 2, arbitrary: damagedRequest }), {
    minLength: 1,
    maxLength: 4,
  })
  .map((requests) => Buffer.from(requests.join(''), 'latin1'));
