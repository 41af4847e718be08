/** CloudFormation stacks in the emulator, by plain requests: CloudFormation's client is not a dependency. */
import { setTimeout as delay } from 'node:timers/promises';

export type Resources = Record<string, { Type: string; Properties: Record<string, unknown>; DependsOn?: string[] }>;

interface StackResult {
  status: string;
  /** Of the failures, the newest first. */
  reasons: string[];
}

export class Stacks {
  readonly #url: string;
  readonly #made = new Set<string>();

  constructor(emulatorUrl: string) {
    this.#url = emulatorUrl;
  }

  /** Creates or updates the stack, and waits until that has finished, successfully or not. */
  async deploy(name: string, resources: Resources): Promise<StackResult> {
    await this.startDeploying(name, resources);
    return this.settled(name);
  }

  async startDeploying(name: string, resources: Resources): Promise<void> {
    const action = this.#made.has(name) ? 'UpdateStack' : 'CreateStack';
    await this.#call(action, name, {
      TemplateBody: JSON.stringify({ Resources: resources }),
      'Capabilities.member.1': 'CAPABILITY_IAM',
    });
    this.#made.add(name);
  }

  async settled(name: string): Promise<StackResult> {
    for (;;) {
      const status = await this.status(name);
      if (!status.endsWith('IN_PROGRESS')) return { status, reasons: await this.#reasons(name) };
      await delay(50);
    }
  }

  async status(name: string): Promise<string> {
    const [status = ''] = textsOf('StackStatus', await this.#call('DescribeStacks', name));
    return status;
  }

  /** The name of each resource in the template. */
  async names(name: string): Promise<Map<string, string>> {
    const resources = textsOf('member', await this.#call('DescribeStackResources', name));
    return new Map(
      resources.map((each) => [textsOf('LogicalResourceId', each)[0]!, textsOf('PhysicalResourceId', each)[0] ?? '']),
    );
  }

  async #reasons(name: string): Promise<string[]> {
    const events = textsOf('member', await this.#call('DescribeStackEvents', name));
    return events
      .filter((event) => textsOf('ResourceStatus', event)[0]?.endsWith('_FAILED'))
      .flatMap((event) => textsOf('ResourceStatusReason', event));
  }

  async #call(action: string, stack: string, parameters: Record<string, string> = {}): Promise<string> {
    const response = await fetch(this.#url, {
      method: 'POST',
      body: new URLSearchParams({ Action: action, Version: '2010-05-15', StackName: stack, ...parameters }),
      headers: {
        authorization:
          'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/cloudformation/aws4_request, SignedHeaders=host, Signature=none',
      },
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${action} ${stack}: ${response.status} ${text}`);
    return text;
  }
}

function textsOf(element: string, xml: string): string[] {
  const found = xml.matchAll(new RegExp(`<${element}>(.*?)</${element}>`, 'gs'));
  return Array.from(found, ([, text = '']) => text.replaceAll('&quot;', '"').replaceAll('&apos;', "'"));
}
