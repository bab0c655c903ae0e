import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';

const SOURCE = fileURLToPath(new URL('axe.min.js', import.meta.resolve('axe-core')));
let source: Promise<string> | undefined;

interface Violation {
  readonly id: string;
  readonly impact: string | null;
  readonly nodes: readonly { readonly target: readonly string[]; readonly failureSummary?: string }[];
}

const ALL = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'];

/** What axe finds serious or worse on the page as it is shown: the rule, and where. `contrast`: colours alone. */
export async function seriousFindings(page: Page, what: 'all' | 'contrast' = 'all'): Promise<string[]> {
  source ??= readFile(SOURCE, 'utf8');
  // By the debugger, for the page's policy lets nobody add scripts.
  await page.evaluate(`typeof axe === 'undefined' && (() => {${await source}})()`);
  const runOnly = what === 'all' ? ALL : { type: 'rule', values: ['color-contrast'] };
  const options = { resultTypes: ['violations'], runOnly };
  const { violations } = await page.evaluate<{ violations: Violation[] }>(
    `axe.run(document, ${JSON.stringify(options)})`,
  );
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) =>
      nodes.slice(0, 3).map((node) => `${id}: ${node.target.join(' ')} ${node.failureSummary ?? ''}`),
    );
}
