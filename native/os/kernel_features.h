// Features of the running kernel. Each one is found by trying it.
#pragma once

namespace pinfold::os {

struct KernelFeatures {
  bool populateWrite;  // MADV_POPULATE_WRITE, Linux 5.14
  bool collapse;       // MADV_COLLAPSE, Linux 6.1
  bool memfdHugetlb;   // memfd_create with MFD_HUGETLB, Linux 4.14
  bool memfdNoexec;    // MFD_NOEXEC_SEAL, Linux 6.3
  bool anonymousName;  // PR_SET_VMA_ANON_NAME, CONFIG_ANON_VMA_NAME
  bool numaPolicy;     // mbind, CONFIG_NUMA
  bool preferredMany;  // MPOL_PREFERRED_MANY, Linux 5.15
};

KernelFeatures probeKernelFeatures();

}  // namespace pinfold::os
