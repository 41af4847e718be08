import { PRICES } from '../../contract/prices.ts';
import { PRICES as SIMULATED } from '../../simulate/score.ts';

test('the simulator, whose files a fingerprint covers, has the same prices', () => {
  expect(SIMULATED).toEqual({ vcpuHour: PRICES.x86VcpuHour, gigabyteHour: PRICES.x86GigabyteHour });
});
