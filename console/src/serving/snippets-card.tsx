/** The same call from code, with the values of the row that is looked at. */
import { SegmentedControl } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import { sessionQuery } from '../api/session.ts';
import { Card } from '../kit/card.tsx';
import { CodeBlock, Copy } from '../kit/code.tsx';
import { useSearchValue } from '../kit/search-state.ts';
import type { RowValues } from './mapping.ts';
import type { Signature } from './signature.ts';
import { languages, snippet } from './snippets.ts';

interface SnippetsProps {
  readonly endpoint: string;
  readonly signature: Signature;
  readonly values: RowValues;
  /** `row 1` */
  readonly of: string;
}

export function SnippetsCard({ endpoint, signature, values, of }: SnippetsProps): ReactElement {
  const { data: session } = useQuery(sessionQuery());
  const [chosen, choose] = useSearchValue('code', 'Python');
  const language = languages.find((each) => each === chosen) ?? 'Python';
  const needsKey = session !== undefined && session.kind !== 'loopback';
  const text = snippet(language, { origin: location.origin, endpoint, signature, values, needsKey });
  return (
    <Card title="Call it from code" end={<Copy text={text} />} padded>
      <div className="scroll-x">
        <SegmentedControl aria-label="Language" value={language} onChange={choose} data={[...languages]} />
      </div>
      <CodeBlock text={text} label={`The call in ${language}`} />
      <p className="sm dim hint">With the values of {of}. Runs as it stands on this machine.</p>
    </Card>
  );
}
