import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { withinCpuMs } from '../../../../test/cpu-time.ts';
import { escapeXml } from '../../wire/xml.ts';
import { childText, readXml } from './xml-document.ts';

const read = (text: string) => readXml(Buffer.from(text));

test('parses elements and text as clients write them', () => {
  const js = read(
    '<?xml version="1.0" encoding="UTF-8"?>\n<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>a &amp; b&#x1;&#233;</Key></Object>\n<Quiet>true</Quiet></Delete>\n',
  );
  assert.equal(js.name, 'Delete');
  assert.equal(childText(js, 'Quiet'), 'true');
  assert.equal(childText(js.children[0] ?? js, 'Key'), 'a & b\u0001é');
  const odd = read('\ufeff<!-- a > b --><s:A x="1>2" y=\'"\'><B/><C ></C ><![CDATA[<&amp;>]]>&lt;&gt;&quot;&apos;</s:A><!-- end -->');
  assert.equal(odd.name, 'A');
  assert.deepEqual(
    odd.children.map(({ name }) => name),
    ['B', 'C'],
  );
  assert.equal(odd.text, '<&amp;><>"\'');
});

test('decodes 50,000 entities, and rejects a document of more without decoding them', () => {
  const names = (count: number) => `<Delete><Key>${'&amp;'.repeat(count)}</Key></Delete>`;
  assert.equal(childText(read(names(50_000)), 'Key'), '&'.repeat(50_000));
  withinCpuMs(300, () => assert.throws(() => read(names(600_000)), /too many entities/));
});

for (const { what, text } of [
  { what: 'nothing', text: '' },
  { what: 'no element', text: 'text' },
  { what: 'a document type', text: '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>' },
  { what: 'an external entity', text: '<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>' },
  { what: 'an undefined entity', text: '<a>&b;</a>' },
  { what: 'an entity named like a prototype property', text: '<a>&constructor;</a>' },
  { what: 'a bare ampersand', text: '<a>a & b</a>' },
  { what: 'the character NUL', text: '<a>&#0;</a>' },
  { what: 'an unpaired surrogate', text: '<a>&#xd800;</a>' },
  { what: 'an invalid character reference', text: '<a>&#x110000;</a>' },
  { what: 'tags that do not match', text: '<a><b></a></b>' },
  { what: 'an open tag', text: '<a' },
  { what: 'an element without an end tag', text: '<a><b></b>' },
  { what: 'an end tag without a start tag', text: '</a>' },
  { what: 'two elements', text: '<a/><b/>' },
  { what: 'text after the root element', text: '<a/>text' },
  { what: 'a tag without a name', text: '<a>< b/></a>' },
  { what: 'an unterminated comment', text: '<!-- <a/>' },
  { what: 'unterminated CDATA', text: '<a><![CDATA[x</a>' },
  { what: 'an unterminated attribute', text: '<a b="c></a>' },
  { what: 'too deep', text: `${'<a>'.repeat(9)}${'</a>'.repeat(9)}` },
  { what: 'too many elements', text: `<a>${'<b/>'.repeat(100_001)}</a>` },
]) {
  test(`rejects ${what}`, () => {
    assert.throws(() => read(text), { code: 'MalformedXML' });
  });
}

test('rejects input that is not UTF-8', () => {
  assert.throws(() => readXml(Buffer.from([0x3c, 0x61, 0xff, 0x2f, 0x3e])), { code: 'MalformedXML' });
});

test('rejects megabytes of brackets, quotes and ampersands quickly', () => {
  for (const text of ['<'.repeat(4e6), '<a>'.repeat(1e6), `<a ${'"'.repeat(4e6 + 1)}>`, `<a>${'&'.repeat(4e6)}</a>`, '<!--'.repeat(1e6)]) {
    withinCpuMs(2000, () => assert.throws(() => read(text), { code: 'MalformedXML' }));
  }
});

test('escaped text round-trips, and any bytes are parsed or rejected', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const sayable = text.replaceAll(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '');
      assert.equal(read(`<a>${escapeXml(sayable)}</a>`).text, sayable);
    }),
  );
  const piece = fc.constantFrom(
    '<',
    '>',
    '/',
    '!',
    '?',
    '-',
    '[',
    ']',
    '&',
    ';',
    '"',
    "'",
    'a',
    ' ',
    '=',
    '<a>',
    '</a>',
    '<!--',
    '<![CDATA[',
  );
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      try {
        read(pieces.join(''));
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'MalformedXML');
      }
    }),
    { numRuns: 2000 },
  );
});
