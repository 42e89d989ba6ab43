/** Names without spaces, `CreateEndpoint` or `config.late=shed`, with places to break them between words rather than within. */
import { Fragment, type ReactNode } from 'react';

const afterMarks = /(?<=[./=:_])(?=\p{L})/u;
/** Of what is written in one: `CreateEndpoint`. */
export const betweenWords: RegExp = /(?<=\p{Ll})(?=\p{Lu})/u;

export function breakable(text: string, places: RegExp = afterMarks): ReactNode {
  return text.split(places).map((piece, index) => (
    <Fragment key={index}>
      {index === 0 ? null : <wbr />}
      {piece}
    </Fragment>
  ));
}
