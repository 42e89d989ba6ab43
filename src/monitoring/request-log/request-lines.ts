/** Puts together the lines that were handed over as rows: the ones that `formatRequestLine` gives. */
import { formatRequestLine } from './request-line.ts';
import { type Overwritten, type Rows, readRow, rowWidth, wholeLine } from './request-rows.ts';

export class RequestLines {
  readonly #forms: Overwritten[] = [];

  /** One text of as many lines as there are rows. */
  textOf({ length, numbers, texts, forms, newForms, isAnew }: Rows): string {
    if (isAnew) this.#forms.length = 0;
    for (const form of newForms) this.#forms.push({ ...form });
    let text = '';
    for (let i = 0; i < length; i++) {
      const own = texts[i] as string;
      if (forms[i] === wholeLine) {
        text += own;
        continue;
      }
      const line = this.#forms[forms[i] as number] as Overwritten;
      line.requestId = own;
      readRow(numbers, i * rowWidth, line);
      text += formatRequestLine(line);
    }
    return text;
  }
}
