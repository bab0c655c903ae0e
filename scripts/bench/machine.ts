import { cpus, release, totalmem, type } from 'node:os';

export interface Machine {
  readonly cores: number;
  readonly model: string;
  readonly kernel: string;
  readonly memoryBytes: number;
  readonly node: string;
}

/** What a reader has to know to make something of the figures. */
export function describeMachine(): Machine {
  const processors = cpus();
  return {
    cores: processors.length,
    model: processors[0]?.model.trim() || 'unknown',
    kernel: `${type()} ${release()}`,
    memoryBytes: totalmem(),
    node: process.version,
  };
}

export function machineLine(machine: Machine): string {
  const memoryGib = (machine.memoryBytes / 1024 ** 3).toFixed(1);
  return `${machine.cores} cores (${machine.model}), ${memoryGib} GiB of memory, ${machine.kernel}, Node ${machine.node}`;
}
