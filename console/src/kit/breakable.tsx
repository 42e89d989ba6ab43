/** Adds line-break opportunities to names without spaces, such as `CreateEndpoint` or `config.late=shed`. */
import { Fragment, type ReactNode } from 'react';

const afterMarks = /(?<=[./=:_])(?=\p{L})/u;
/** Break positions in camel case: `Create|Endpoint`. */
export const betweenWords: RegExp = /(?<=\p{Ll})(?=\p{Lu})/u;

/** Splits `text` at `places` and inserts `<wbr>` elements. */
export function breakable(text: string, places: RegExp = afterMarks): ReactNode {
  return text.split(places).map((piece, index) => (
    <Fragment key={index}>
      {index === 0 ? null : <wbr />}
      {piece}
    </Fragment>
  ));
}
