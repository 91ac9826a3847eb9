/* Answers for the instruction `cpuid` in libraries where an invalid one (0F 04) is in its place: what the processor
   answers, less AVX-512, AVX-VNNI and the other products of 8 bits. Loaded with LD_PRELOAD by
   `python -m benchmarks without_vnni`.
   Leaves and bits: AMD64 Architecture Programmer's Manual, volume 3, appendix E; Intel SDM, volume 2, CPUID. */
#define _GNU_SOURCE
#include <cpuid.h>
#include <signal.h>
#include <stdint.h>
#include <ucontext.h>

#define BIT(number) (1u << (number))
/* leaf 7, subleaf 0: every AVX-512 flag of EBX, ECX and EDX, and AMX */
static const uint32_t ebx_avx512 = BIT(16) | BIT(17) | BIT(21) | BIT(26) | BIT(27) | BIT(28) | BIT(30) | BIT(31);
static const uint32_t ecx_avx512 = BIT(1) | BIT(6) | BIT(11) | BIT(12) | BIT(14);
static const uint32_t edx_avx512_amx = BIT(2) | BIT(3) | BIT(8) | BIT(22) | BIT(23) | BIT(24) | BIT(25);
/* leaf 7, subleaf 1: AVX-VNNI and AVX512-BF16 in EAX, AVX-VNNI-INT8, -INT16 in EDX */
static const uint32_t eax_vnni = BIT(4) | BIT(5);
static const uint32_t edx_vnni = BIT(4) | BIT(10);

static void answer(int number, siginfo_t *info, void *context) {
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const uint8_t *at = (const uint8_t *)registers[REG_RIP];
    uint32_t leaf = registers[REG_RAX], subleaf = registers[REG_RCX], a, b, c, d;

    (void)number, (void)info;
    if (at[0] != 0x0F || at[1] != 0x04) {
        signal(SIGILL, SIG_DFL); /* another invalid instruction: it comes again, and ends the process */
        return;
    }
    __cpuid_count(leaf, subleaf, a, b, c, d);
    if (leaf == 7 && subleaf == 0) {
        b &= ~ebx_avx512;
        c &= ~ecx_avx512;
        d &= ~edx_avx512_amx;
    } else if (leaf == 7 && subleaf == 1) {
        a &= ~eax_vnni;
        d &= ~edx_vnni;
    }
    registers[REG_RAX] = a;
    registers[REG_RBX] = b;
    registers[REG_RCX] = c;
    registers[REG_RDX] = d;
    registers[REG_RIP] += 2;
}

__attribute__((constructor)) static void install(void) {
    struct sigaction action = {0};

    action.sa_sigaction = answer;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaction(SIGILL, &action, 0);
}
