/** Text to be copied: a command, a snippet, log lines. */
import { Button, CopyButton } from '@mantine/core';
import type { ReactElement, ReactNode } from 'react';
import { Icon } from './icon.tsx';

export function Copy({ text, label = 'Copy' }: { readonly text: string; readonly label?: string }): ReactElement {
  return (
    <CopyButton value={text}>
      {({ copied, copy }) => (
        <Button size="sm" leftSection={<Icon name={copied ? 'check' : 'copy'} />} onClick={copy}>
          {copied ? 'Copied' : label}
        </Button>
      )}
    </CopyButton>
  );
}

/** Of a text of the server's: what stands between backticks, a command say, as code. */
export function said(text: string): ReactNode {
  return text.split('`').map((piece, index) => (index % 2 === 0 ? piece : <code key={index}>{piece}</code>));
}

const pattern = /("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(#.*$|\/\/ .*$)|\b(import|from|print|const|await|as|for|in|return)\b/gm;

/** With strings, comments and a few words told apart: enough for snippets of ten lines. */
export function CodeBlock({ text, label }: { readonly text: string; readonly label: string }): ReactElement {
  const pieces: (string | ReactElement)[] = [];
  let last = 0;
  for (const match of text.matchAll(pattern)) {
    pieces.push(text.slice(last, match.index));
    const kind = match[1] !== undefined ? 's' : match[2] !== undefined ? 'c' : 'k';
    pieces.push(
      <span key={match.index} className={kind}>
        {match[0]}
      </span>,
    );
    last = match.index + match[0].length;
  }
  return (
    // What scrolls must be reachable by keyboard.
    <pre tabIndex={0} aria-label={label} role="region">
      {pieces}
      {text.slice(last)}
    </pre>
  );
}
