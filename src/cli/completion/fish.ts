import { type CompletedVerb, endpointNames } from './completed-verb.ts';

/** A script for fish 3.4 or later, with the summaries of verbs and options. */
export function fishCompletion(verbs: readonly CompletedVerb[]): string {
  const paths = verbs.map(({ path }) => path).filter((path) => path !== '');
  return `# Completion of penstock for fish. Load it with: penstock completion fish | source
function __penstock_is --description 'whether these are the verbs before the cursor'
    set -l verb ''
    for word in (commandline -opc)[2..]
        if contains -- "$verb $word" ${paths.map(fishQuoted).join(' ')}
            set verb "$verb $word"
        end
    end
    test "$verb" = "$argv[1]"
end
complete -c penstock -e
complete -c penstock -s h -l help -d 'show how to use it'
${verbs.flatMap(linesOf).join('\n')}
`;
}

function linesOf({ path, verbs, options, choices, takesEndpoint }: CompletedVerb): string[] {
  const start = `complete -c penstock -n ${fishQuoted(`__penstock_is ${fishQuoted(path)}`)}`;
  const words = [
    ...verbs.map(({ name, summary }) => `${start} -f -a ${name} -d ${fishQuoted(summary)}`),
    ...choices.map((choice) => `${start} -f -a ${fishQuoted(choice)}`),
    ...(takesEndpoint ? [`${start} -f -a ${fishQuoted(`(penstock ${endpointNames})`)}`] : []),
  ];
  const flags = options.map(({ flags: names, takesValue, choices: values, summary }) => {
    const named = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`)).join(' ');
    const value = values.length > 0 ? ` -x -a ${fishQuoted(values.join(' '))}` : takesValue ? ' -r' : '';
    return `${start} ${named}${value} -d ${fishQuoted(summary)}`;
  });
  return [...words, ...flags];
}

function fishQuoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
