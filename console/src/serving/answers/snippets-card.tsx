/** Code snippets for the same call, with the values of the selected row. */
import { SegmentedControl } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import { sessionQuery } from '../../api/session.ts';
import { Card } from '../../kit/card.tsx';
import { CodeBlock, Copy } from '../../kit/code.tsx';
import { useSearchValue } from '../../kit/page/search-state.ts';
import type { RowValues } from '../mapping.ts';
import type { InputSignature } from '../signature.ts';
import { languages, snippet } from './snippets.ts';

interface SnippetsProps {
  readonly endpoint: string;
  readonly signature: InputSignature;
  readonly values: RowValues;
  /** `row 1` */
  readonly of: string;
}

export function SnippetsCard({ endpoint, signature, values, of }: SnippetsProps): ReactElement {
  const { data: session } = useQuery(sessionQuery());
  const [chosen, choose] = useSearchValue('code', 'Python');
  const language = languages.find((each) => each === chosen) ?? 'Python';
  const requiresKey = session !== undefined && session.kind !== 'loopback';
  const text = snippet(language, { origin: location.origin, endpoint, signature, values, requiresKey });
  return (
    <Card title="Call it from code" end={<Copy text={text} />} padded>
      <div className="scroll-x">
        <SegmentedControl aria-label="Language" value={language} onChange={choose} data={[...languages]} />
      </div>
      <CodeBlock text={text} label={`Code in ${language}`} />
      <p className="sm dim hint">Uses the values of {of}. Runs on this machine without changes.</p>
    </Card>
  );
}
