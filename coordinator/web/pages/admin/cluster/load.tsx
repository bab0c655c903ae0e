import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { send } from '../../../api/client.ts';
import { formatNumber, formatRate } from '../../../i18n/format.ts';
import { t } from '../../../i18n/translate.ts';
import { Chart } from '../../../parts/chart.tsx';
import { type Counts, type Rates, ratesBetween, readCounts } from './metrics.ts';

const EVERY_MS = 2000;
/** Four minutes. */
const KEPT = 120;

/** What the coordinator that answers this page does: requests, how long they take, and bytes. */
export function Load() {
  const rates = useSignal<readonly Rates[]>([]);
  useEffect(() => {
    const controller = new AbortController();
    let before: Counts | undefined;
    const look = async () => {
      if (document.visibilityState !== 'visible') return;
      try {
        const response = await send('/metrics', { signal: controller.signal });
        const counts = readCounts(await response.text(), performance.now());
        const next = before && ratesBetween(before, counts);
        before = counts;
        if (next !== undefined) rates.value = [...rates.peek(), next].slice(-KEPT);
      } catch {
        // There is nothing to draw for now.
      }
    };
    void look();
    const timer = setInterval(() => void look(), EVERY_MS);
    return () => {
      controller.abort();
      clearInterval(timer);
    };
  }, []);
  const all = rates.value;
  const ms = (value: number) => `${formatNumber(value, { maximumFractionDigits: value < 10 ? 1 : 0 })} ms`;
  return (
    <section class="charts" aria-label={t('load')}>
      <Chart
        title={t('requests')}
        length={KEPT}
        format={(value) => `${formatNumber(value, { maximumFractionDigits: 1 })}/s`}
        lines={[{ name: t('requests'), values: all.map((one) => one.requestsPerSecond) }]}
      />
      <Chart
        title={t('latency')}
        length={KEPT}
        format={ms}
        lines={[
          { name: t('median'), values: all.map((one) => one.medianMs) },
          { name: t('p95'), values: all.map((one) => one.p95Ms) },
        ]}
      />
      <Chart
        title={t('throughput')}
        length={KEPT}
        format={formatRate}
        lines={[
          { name: t('sentToViewers'), values: all.map((one) => one.sentPerSecond) },
          { name: t('storedBytes'), values: all.map((one) => one.uploadedPerSecond) },
        ]}
      />
    </section>
  );
}
