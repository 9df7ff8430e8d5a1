# The data path of pyverbs, as a peer (line_protocol.h): RDMA writes of 64 bytes over a connection of two queue pairs on
# one device, posted one after another, 32 at a time, and the completion of the last one polled.
#
#   pyverbs_post DEVICE
#
# A round of 'burst' is one request.
import sys
import time

from pyverbs.addr import AHAttr, GlobalRoute
from pyverbs.cq import CQ
from pyverbs.device import Context
from pyverbs.enums import *  # noqa: F403 (the package's own way to name the numbers of verbs.h)
from pyverbs.mr import MR
from pyverbs.pd import PD
from pyverbs.qp import QP, QPAttr, QPCap, QPInitAttr
from pyverbs.wr import SGE, SendWR

BURST = 32
BYTES = 64


def connected(context, domain, queue):
    """Two queue pairs that are connected to each other. Returns the one that writes."""
    def made():
        capacity = QPCap(max_send_wr=2 * BURST, max_recv_wr=1, max_send_sge=1, max_recv_sge=1)
        attributes = QPInitAttr(qp_type=IBV_QPT_RC, scq=queue, rcq=queue, cap=capacity, sq_sig_all=0)
        return QP(domain, attributes)

    gid_index = 1
    gid = context.query_gid(1, gid_index)
    pairs = [made(), made()]
    for one, other in (pairs, pairs[::-1]):
        attributes = QPAttr(port_num=1)
        attributes.qp_access_flags = IBV_ACCESS_REMOTE_WRITE
        one.to_init(attributes)
        attributes = QPAttr(port_num=1)
        attributes.dest_qp_num = other.qp_num
        attributes.path_mtu = IBV_MTU_1024
        attributes.max_rd_atomic = 1
        attributes.max_dest_rd_atomic = 1
        attributes.min_rnr_timer = 12
        attributes.timeout = 14
        attributes.retry_cnt = 7
        attributes.rnr_retry = 7
        attributes.ah_attr = AHAttr(port_num=1, is_global=1, gr=GlobalRoute(dgid=gid, sgid_index=gid_index))
        one.to_rts(attributes)
    return pairs


def main():
    context = Context(name=sys.argv[1])
    domain = PD(context)
    queue = CQ(context, 4 * BURST, None, None, 0)
    memory = MR(domain, 4096, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE)
    pairs = connected(context, domain, queue)
    pair = pairs[0]

    def burst(rounds):
        start = time.perf_counter()
        done = 0
        while done < rounds:
            for index in range(BURST):
                entry = SGE(memory.buf + 64 * (index % 32), BYTES, memory.lkey)
                signaled = IBV_SEND_SIGNALED if index == BURST - 1 else 0
                request = SendWR(
                    wr_id=index, opcode=IBV_WR_RDMA_WRITE, num_sge=1, sg=[entry], send_flags=signaled)
                request.set_wr_rdma(memory.rkey, memory.buf + 2048 + 64 * (index % 32))
                pair.post_send(request)
            while True:
                count, completions = queue.poll(BURST)
                if count > 0:
                    break
            if completions[0].status != IBV_WC_SUCCESS:
                raise RuntimeError(f"status {completions[0].status}")
            done += BURST
        return time.perf_counter() - start

    print("ready", flush=True)
    for line in sys.stdin:
        words = line.split()
        if len(words) != 3 or words[1] != "burst":
            print(f"failed not a request: {line.strip()}", flush=True)
            continue
        print(f"ok {burst(int(words[2])):.9f}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # the harness shows the line as the reason why a row was not measured
        print(f"failed {error}", flush=True)
        sys.exit(1)
