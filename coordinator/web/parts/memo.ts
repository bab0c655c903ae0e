import { Component, type FunctionComponent, h } from 'preact';

/** A component that is rendered again only when one of its properties is another one. */
export function memo<Props extends object>(render: FunctionComponent<Props>): FunctionComponent<Props> {
  class Memo extends Component<Props> {
    override shouldComponentUpdate(next: Readonly<Props>): boolean {
      const before = this.props as Record<string, unknown>;
      return Object.entries(next).some(([name, value]) => before[name] !== value);
    }

    override render() {
      return h(render, this.props as Props);
    }
  }
  return Memo as unknown as FunctionComponent<Props>;
}
