/**
 * A table: as it was given until a column is clicked, then by that column. Rows keep their places while live numbers come, so that nothing
 * moves under the pointer. The first cell of a row holds its link, `<Link className="name">`; a click anywhere in the row is one on that.
 */
import { type MouseEvent, type ReactElement, type ReactNode, useRef, useState } from 'react';
import { compare } from './compare.ts';

export interface TableColumn<Row> {
  readonly title: string;
  readonly cell: (row: Row) => ReactNode;
  readonly isNumber?: boolean;
  /** Not on narrow screens. */
  readonly isWide?: boolean;
  /** What it is sorted by; it is not unless given. Nulls come last. */
  readonly sort?: (row: Row) => number | string | null;
  /** Narrower than its text, say. */
  readonly className?: string;
}

export interface DataTableProps<Row> {
  /** For readers: what the table tells. */
  readonly caption: string;
  readonly columns: readonly TableColumn<Row>[];
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => string;
  readonly isSelected?: (row: Row) => boolean;
  readonly isDense?: boolean;
  /** Below the rows, where there are none. */
  readonly whenEmpty?: ReactNode;
}

interface Order {
  readonly title: string;
  readonly isDown: boolean;
}

export function DataTable<Row>(props: DataTableProps<Row>): ReactElement {
  const { caption, columns, keyOf, isSelected, isDense = false, whenEmpty } = props;
  const [order, setOrder] = useState<Order | null>(null);
  const rows = useOrdered(props, order);
  return (
    <div className="tw">
      <table className={isDense ? 'dense' : undefined}>
        <caption className="unseen">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <Head key={column.title} column={column} order={order} onOrder={setOrder} />
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={keyOf(row)} className={`go ${isSelected?.(row) === true ? 'sel' : ''}`} onClick={openRow}>
              {columns.map((column, index) => {
                const name = classOf(column);
                if (index > 0)
                  return (
                    <td key={column.title} className={name}>
                      {column.cell(row)}
                    </td>
                  );
                return (
                  <th key={column.title} scope="row" className={name}>
                    {column.cell(row)}
                  </th>
                );
              })}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length === 0 ? <div className="body mut">{whenEmpty ?? 'Nothing is here.'}</div> : null}
    </div>
  );
}

function classOf<Row>({ isNumber = false, isWide = false, className = '' }: TableColumn<Row>): string {
  return `${isNumber ? 'n' : ''} ${isWide ? 'wide' : ''} ${className}`.trim();
}

interface HeadProps<Row> {
  readonly column: TableColumn<Row>;
  readonly order: Order | null;
  readonly onOrder: (order: Order) => void;
}

function Head<Row>({ column, order, onOrder }: HeadProps<Row>): ReactElement {
  const { title, sort, isNumber = false } = column;
  const isHere = order?.title === title;
  const direction = isHere ? (order.isDown ? 'descending' : 'ascending') : undefined;
  return (
    <th scope="col" className={classOf(column)} aria-sort={direction}>
      {sort === undefined ? (
        title
      ) : (
        <button type="button" className="sort" onClick={() => onOrder({ title, isDown: isHere ? !order.isDown : isNumber })}>
          {title}
          {isHere ? <span aria-hidden="true">{order.isDown ? ' ↓' : ' ↑'}</span> : null}
        </button>
      )}
    </th>
  );
}

/** Once sorted, rows stay where they are, with what they say now, until a column is clicked again or others come. */
function useOrdered<Row>({ columns, rows, keyOf }: DataTableProps<Row>, order: Order | null): readonly Row[] {
  const kept = useRef<{ order: Order | null; keys: readonly string[] }>({ order: null, keys: [] });
  const byKey = new Map(rows.map((row) => [keyOf(row), row]));
  const { current } = kept;
  const isSame = current.order === order && current.keys.length === rows.length && current.keys.every((key) => byKey.has(key));
  if (!isSame) {
    const by = columns.find(({ title }) => title === order?.title)?.sort;
    const sorted = by === undefined || order === null ? rows : rows.toSorted((a, b) => compare(by(a), by(b), order.isDown));
    kept.current = { order, keys: sorted.map(keyOf) };
  }
  return kept.current.keys.flatMap((key) => byKey.get(key) ?? []);
}

function openRow(event: MouseEvent<HTMLTableRowElement>): void {
  const { target, currentTarget } = event;
  if (target instanceof Element && target.closest('a, button, input, label') !== null) return;
  if (getSelection()?.toString() !== '') return; // somebody marks text
  currentTarget.querySelector<HTMLElement>('.name')?.click();
}
