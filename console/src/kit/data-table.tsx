/**
 * A sortable table. Rows start in the order of `rows`; a click on a column title sorts by it. Live updates do not reorder rows, so nothing
 * moves under the pointer. The first cell holds the row's link, `<Link className="name">`; a click anywhere in the row follows it.
 */
import { type MouseEvent, type ReactElement, type ReactNode, useRef, useState } from 'react';
import { compare } from './format/compare.ts';

export interface TableColumn<Row> {
  readonly title: string;
  readonly cell: (row: Row) => ReactNode;
  readonly isNumber?: boolean;
  /** Hidden on narrow screens. */
  readonly isWide?: boolean;
  /** Sort key; nulls come last. Without it the column cannot be sorted. */
  readonly sort?: (row: Row) => number | string | null;
  /** Extra class, for example to make the column narrower than its text. */
  readonly className?: string;
}

export interface DataTableProps<Row> {
  /** For screen readers. */
  readonly caption: string;
  readonly columns: readonly TableColumn<Row>[];
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => string;
  readonly isSelected?: (row: Row) => boolean;
  readonly isDense?: boolean;
  /** Shown if there are no rows. */
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
      {rows.length === 0 ? <div className="body mut">{whenEmpty ?? 'No entries.'}</div> : null}
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

/** Sorts only if the order or the set of rows changes, so live values do not move rows. */
function useOrdered<Row>({ columns, rows, keyOf }: DataTableProps<Row>, order: Order | null): readonly Row[] {
  const rendered = useRef<{ order: Order | null; keys: readonly string[] }>({ order: null, keys: [] });
  const byKey = new Map(rows.map((row) => [keyOf(row), row]));
  const { current } = rendered;
  const isSame = current.order === order && current.keys.length === rows.length && current.keys.every((key) => byKey.has(key));
  if (!isSame) {
    const by = columns.find(({ title }) => title === order?.title)?.sort;
    const sorted = by === undefined || order === null ? rows : rows.toSorted((a, b) => compare(by(a), by(b), order.isDown));
    rendered.current = { order, keys: sorted.map(keyOf) };
  }
  return rendered.current.keys.flatMap((key) => byKey.get(key) ?? []);
}

/** For `onClick` of a row: a click anywhere in it follows its `.name`, unless it hit a control or selects text. */
export function openRow(event: MouseEvent<HTMLTableRowElement>): void {
  const { target, currentTarget } = event;
  if (target instanceof Element && target.closest('a, button, input, label') !== null) return;
  if (getSelection()?.toString() !== '') return; // text is being selected
  currentTarget.querySelector<HTMLElement>('.name')?.click();
}
