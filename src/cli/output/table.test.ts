import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Style } from './style.ts';
import { type Column, fields, table } from './table.ts';

interface Row {
  readonly name: string;
  readonly rows: number | null;
  readonly note?: string;
}

const columns: Column<Row>[] = [
  { title: 'NAME', cell: (row) => row.name },
  { title: 'ROWS', cell: (row) => row.rows, align: 'right' },
  { title: 'NOTE', cell: (row) => row.note ?? null },
];

test('aligns columns, numbers to the right, and omits empty columns', () => {
  assert.equal(
    table(
      [
        { name: 'digits', rows: 7 },
        { name: 'é', rows: 1200 },
        { name: 'x', rows: null },
      ],
      columns,
    ),
    'NAME    ROWS\ndigits     7\né       1200\nx\n',
  );
});

test('joins the lines of a multi-line value', () => {
  assert.equal(table([{ name: 'a', rows: 1, note: 'one\n  two' }], columns), 'NAME  ROWS  NOTE\na        1  one two\n');
});

test('is empty without rows', () => {
  assert.equal(table([], columns), '');
});

test('does not count colours as width', () => {
  const style = new Style({ isTTY: true, write: () => true }, {});
  const rows = [{ state: 'Failed' }, { state: 'Unknown' }];
  const text = table(rows, [
    { title: 'STATE', cell: (row) => style.state(row.state) },
    { title: 'X', cell: () => 'x' },
  ]);
  assert.equal(text, 'STATE    X\n\u001b[31mFailed\u001b[39m   x\nUnknown  x\n');
});

test('uses no colours in files or with NO_COLOR', () => {
  assert.equal(new Style({ write: () => true }, {}).state('Failed'), 'Failed');
  assert.equal(new Style({ isTTY: true, write: () => true }, { NO_COLOR: '1' }).state('Failed'), 'Failed');
});

test('aligns the values of fields and omits missing ones', () => {
  assert.equal(
    fields([
      ['name', 'digits'],
      ['rows waiting', 0],
      ['note', null],
      ['text', ''],
      ['inputs', 'a\nb'],
    ]),
    'name          digits\nrows waiting  0\ninputs        a\n              b\n',
  );
});
